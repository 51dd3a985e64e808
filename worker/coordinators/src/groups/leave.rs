//! LeaveGroup: members that go, and members that are sent away by their static name.

use units::TimestampMs;

use super::{Groups, Leave, Leaver, Left, MemberId, Response, Timer};
use crate::{Refusal, Token};

impl Groups {
    pub(super) fn leave(&mut self, now: TimestampMs, token: Token, leave: Leave) {
        let answer = self.check_ready(&leave.group).map(|()| {
            let one = |leaver: Leaver| {
                let result = self.leave_one(now, &leave.group, &leaver);
                Left { member: leaver.member, instance: leaver.instance, result }
            };
            leave.members.into_iter().map(one).collect()
        });
        self.respond(token, Response::Leave(answer));
        self.forget_if_nothing(&leave.group);
    }

    fn leave_one(&mut self, now: TimestampMs, id: &units::GroupId, leaver: &Leaver) -> Result<(), Refusal> {
        let group = self.groups.get_mut(id).ok_or(Refusal::UnknownMemberId)?;
        if leaver.instance.is_none() && group.promised.remove(&leaver.member) {
            self.timers.clear(&Timer::Promise(id.clone(), leaver.member.clone()));
            self.try_complete(now, id);
            return Ok(());
        }
        let member: MemberId = match &leaver.instance {
            Some(instance) if leaver.member.is_none() => group.instances.get(instance).cloned().ok_or(Refusal::UnknownMemberId)?,
            instance => {
                group.check_member(&leaver.member, instance.as_ref())?;
                leaver.member.clone()
            }
        };
        self.remove(now, id, &member);
        Ok(())
    }
}

//! The member's deciding code, answer by answer.

use wire::join_group::JoinGroupResponseMember;

use super::*;

struct Play {
    core: Core,
    now: Instant,
}

impl Play {
    fn new(instance: Option<&'static str>) -> Self {
        let options = MemberOptions::new(GroupId::from("g"), instance.map(Str::from_static), "ours");
        Self { core: Core::new(options), now: Instant::now() }
    }

    /// The request that goes out now; `None` where nothing does.
    fn ask(&mut self) -> Option<Ask> {
        match self.core.step(self.now) {
            Step::Send(ask) => Some(ask),
            Step::Wait(_) => None,
        }
    }

    fn answer(&mut self, answer: Answer) -> bool {
        self.core.answered(answer, self.now)
    }

    fn events(&mut self) -> Vec<MemberEvent> {
        std::iter::from_fn(|| self.core.event()).collect()
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Joins as the only member, and gets `generation`.
    fn join(&mut self, generation: i32) {
        self.core.join(Bytes::from_static(b"meta"));
        assert!(matches!(self.ask(), Some(Ask::Join(_))));
        self.answer(joined("m", "m", generation));
        assert!(matches!(self.events()[..], [MemberEvent::Lead { .. }]));
        self.core.assign(vec![(Str::from("m"), Bytes::from_static(b"all"))]);
        assert!(matches!(self.ask(), Some(Ask::Sync(_))));
        self.answer(synced(ErrorCode::None));
        assert!(matches!(self.events()[..], [MemberEvent::Assigned { .. }]));
    }

    fn beat(&mut self, code: ErrorCode) {
        self.pass(Duration::from_secs(2));
        assert!(matches!(self.ask(), Some(Ask::Heartbeat(_))));
        self.answer(Answer::Heartbeat(HeartbeatResponse { error_code: code, ..Default::default() }));
    }
}

fn joined(member: &str, leader: &str, generation_id: i32) -> Answer {
    let metadata = Bytes::from_static(b"meta");
    let members = vec![JoinGroupResponseMember { member_id: member.into(), metadata, ..Default::default() }];
    let (member_id, leader) = (member.into(), leader.into());
    Answer::Join(JoinGroupResponse { member_id, leader, generation_id, members, protocol_name: Some("ours".into()), ..Default::default() })
}

fn refused(code: ErrorCode) -> Answer {
    Answer::Join(JoinGroupResponse { error_code: code, member_id: "given".into(), ..Default::default() })
}

fn synced(code: ErrorCode) -> Answer {
    Answer::Sync(SyncGroupResponse { error_code: code, assignment: Bytes::from_static(b"mine"), ..Default::default() })
}

#[test]
fn nothing_is_said_before_the_owner_joins() {
    let mut play = Play::new(None);
    assert_eq!(play.ask(), None);
    play.pass(Duration::from_secs(100));
    assert_eq!(play.ask(), None);
    assert_eq!(play.core.leave_request(), None);
}

#[test]
fn a_dynamic_member_joins_again_with_the_id_it_is_given() {
    let mut play = Play::new(None);
    play.core.join(Bytes::new());
    assert!(matches!(play.ask(), Some(Ask::Join(request)) if request.member_id.is_empty()));
    play.answer(refused(ErrorCode::MemberIdRequired));
    assert!(matches!(play.ask(), Some(Ask::Join(request)) if request.member_id == "given"));
    assert!(play.events().is_empty());
}

#[test]
fn a_leader_assigns_and_a_follower_only_asks() {
    let mut play = Play::new(Some("pod-0"));
    play.core.join(Bytes::from_static(b"meta"));
    play.ask();
    play.answer(joined("m", "m", 7));
    let events = play.events();
    let [MemberEvent::Lead { generation, members }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((generation.generation_id, &members[0].metadata[..]), (7, &b"meta"[..]));
    assert_eq!(generation.instance_id.as_deref(), Some("pod-0"));
    play.core.assign(vec![("m".into(), Bytes::from_static(b"x"))]);
    let Some(Ask::Sync(sync)) = play.ask() else { panic!("no sync") };
    assert_eq!((sync.assignments.len(), sync.generation_id, sync.protocol_name.as_deref()), (1, 7, Some("ours")));
    play.answer(synced(ErrorCode::None));
    let assigned = MemberEvent::Assigned { generation: generation.clone(), assignment: Bytes::from_static(b"mine") };
    assert_eq!(play.events(), [assigned]);

    let mut follower = Play::new(None);
    follower.core.join(Bytes::new());
    follower.ask();
    follower.answer(joined("m", "other", 7));
    assert!(follower.events().is_empty());
    assert!(matches!(follower.ask(), Some(Ask::Sync(sync)) if sync.assignments.is_empty()));
}

#[test]
fn a_leader_that_comes_back_to_a_stable_group_does_not_assign() {
    let mut play = Play::new(Some("pod-0"));
    play.core.join(Bytes::new());
    play.ask();
    let Answer::Join(response) = joined("m", "m", 7) else { unreachable!() };
    play.answer(Answer::Join(JoinGroupResponse { skip_assignment: true, ..response }));
    assert!(play.events().is_empty());
    assert!(matches!(play.ask(), Some(Ask::Sync(sync)) if sync.assignments.is_empty()));
}

#[test]
fn a_leader_that_thinks_keeps_the_generation_alive() {
    let mut play = Play::new(None);
    play.core.join(Bytes::new());
    play.ask();
    play.answer(joined("m", "m", 1));
    play.beat(ErrorCode::None);
    play.beat(ErrorCode::RebalanceInProgress);
    assert!(matches!(play.events()[..], [MemberEvent::Lead { .. }, MemberEvent::Rebalancing]));
    play.core.assign(vec![]);
    assert_eq!(play.ask(), None, "an assignment for a generation that is over is not sent");
}

#[test]
fn heartbeats_come_at_their_interval_and_not_before() {
    let mut play = Play::new(None);
    play.join(1);
    assert_eq!(play.ask(), None);
    play.pass(Duration::from_millis(1999));
    assert_eq!(play.ask(), None);
    play.pass(Duration::from_millis(1));
    assert!(matches!(play.ask(), Some(Ask::Heartbeat(beat)) if beat.generation_id == 1));
    play.pass(Duration::from_secs(9));
    assert_eq!(play.ask(), None, "one request at a time");
}

#[test]
fn a_rebalance_waits_for_the_owner_and_the_old_generation_lives_on() {
    let mut play = Play::new(None);
    play.join(1);
    play.beat(ErrorCode::RebalanceInProgress);
    assert_eq!(play.events(), [MemberEvent::Rebalancing]);
    play.beat(ErrorCode::RebalanceInProgress);
    assert!(play.events().is_empty(), "it is told once");
    play.beat(ErrorCode::RebalanceInProgress);
    play.core.join(Bytes::from_static(b"new"));
    assert!(matches!(play.ask(), Some(Ask::Join(join)) if join.member_id == "m" && join.protocols[0].metadata == b"new"[..]));
}

#[test]
fn a_generation_that_is_gone_is_not_kept_alive_and_the_member_stays_itself() {
    let mut play = Play::new(None);
    play.join(1);
    play.beat(ErrorCode::IllegalGeneration);
    assert_eq!(play.events(), [MemberEvent::Rebalancing]);
    play.pass(Duration::from_secs(60));
    assert_eq!(play.ask(), None);
    play.core.join(Bytes::new());
    assert!(matches!(play.ask(), Some(Ask::Join(join)) if join.member_id == "m"));
}

#[test]
fn a_dropped_member_loses_all_and_joins_as_a_new_one_when_told() {
    let mut play = Play::new(None);
    play.join(1);
    play.beat(ErrorCode::UnknownMemberId);
    assert_eq!(play.events(), [MemberEvent::Lost(Lost::Dropped)]);
    play.pass(Duration::from_secs(60));
    assert_eq!(play.ask(), None);
    play.core.join(Bytes::new());
    assert!(matches!(play.ask(), Some(Ask::Join(join)) if join.member_id.is_empty()));
}

#[test]
fn a_member_id_that_is_forgotten_before_anything_was_assigned_is_just_dropped() {
    let mut play = Play::new(None);
    play.core.join(Bytes::new());
    play.ask();
    play.answer(refused(ErrorCode::MemberIdRequired));
    play.ask();
    play.answer(refused(ErrorCode::UnknownMemberId));
    assert!(play.events().is_empty());
    assert!(matches!(play.ask(), Some(Ask::Join(join)) if join.member_id.is_empty()));
}

#[test]
fn a_fenced_static_member_is_at_its_end() {
    let mut play = Play::new(Some("pod-0"));
    play.join(1);
    play.beat(ErrorCode::FencedInstanceId);
    assert_eq!(play.events(), [MemberEvent::Lost(Lost::Fenced)]);
    play.core.join(Bytes::new());
    assert_eq!((play.ask(), play.core.leave_request()), (None, None));
}

#[test]
fn a_lost_answer_or_coordinator_is_asked_again_after_a_pause() {
    let mut play = Play::new(Some("pod-0"));
    play.core.join(Bytes::new());
    for answer in [Answer::Lost, refused(ErrorCode::NotCoordinator), refused(ErrorCode::CoordinatorNotAvailable)] {
        assert!(matches!(play.ask(), Some(Ask::Join(_))));
        assert!(play.answer(answer), "the coordinator is to be looked for again");
        assert_eq!(play.ask(), None);
        play.pass(RETRY);
    }
    assert!(matches!(play.ask(), Some(Ask::Join(_))));
    assert!(!play.answer(refused(ErrorCode::CoordinatorLoadInProgress)), "it is the right one and not ready");
}

#[test]
fn a_sync_that_meets_the_next_rebalance_tells_the_owner() {
    for (code, keeps_alive) in [(ErrorCode::RebalanceInProgress, true), (ErrorCode::IllegalGeneration, false)] {
        let mut play = Play::new(None);
        play.core.join(Bytes::new());
        play.ask();
        play.answer(joined("m", "other", 7));
        play.ask();
        play.answer(synced(code));
        assert_eq!(play.events(), [MemberEvent::Rebalancing]);
        play.pass(Duration::from_secs(2));
        assert_eq!(play.ask().is_some(), keeps_alive);
    }
}

#[test]
fn a_join_asked_for_while_another_request_is_under_way_goes_out_after_it() {
    let mut play = Play::new(None);
    play.join(1);
    play.pass(Duration::from_secs(2));
    assert!(matches!(play.ask(), Some(Ask::Heartbeat(_))));
    play.core.join(Bytes::from_static(b"second"));
    assert_eq!(play.ask(), None);
    play.answer(Answer::Heartbeat(HeartbeatResponse { error_code: ErrorCode::RebalanceInProgress, ..Default::default() }));
    assert!(play.events().is_empty());
    assert!(matches!(play.ask(), Some(Ask::Join(join)) if join.protocols[0].metadata == b"second"[..]));
}

#[test]
fn a_refusal_for_good_is_named() {
    let mut play = Play::new(None);
    play.core.join(Bytes::new());
    play.ask();
    play.answer(refused(ErrorCode::InconsistentGroupProtocol));
    assert_eq!(play.events(), [MemberEvent::Lost(Lost::Refused(ErrorCode::InconsistentGroupProtocol))]);
    assert_eq!(play.ask(), None);
}

#[test]
fn leaving_names_the_member_and_its_static_name() {
    let mut play = Play::new(Some("pod-0"));
    play.join(1);
    let leave = play.core.leave_request().expect("it is a member");
    assert_eq!((leave.members[0].member_id.as_str(), leave.members[0].group_instance_id.as_deref()), ("m", Some("pod-0")));
}

#[test]
fn a_join_asked_for_while_joining_goes_out_again_with_what_was_said_last() {
    let mut play = Play::new(Some("pod-0"));
    play.core.join(Bytes::from_static(b"first"));
    play.ask();
    play.core.join(Bytes::from_static(b"second"));
    play.answer(joined("m", "m", 1));
    assert!(play.events().is_empty());
    assert!(matches!(play.ask(), Some(Ask::Join(join)) if join.protocols[0].metadata == b"second"[..] && join.member_id == "m"));
    play.answer(joined("m", "m", 2));
    assert!(matches!(play.events()[..], [MemberEvent::Lead { .. }]));
}

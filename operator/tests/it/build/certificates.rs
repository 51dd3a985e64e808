//! Certificates over years, in a minute.

use crds::Timestamp;
use operator::certificates::{
    self, Authority, Identity, Issued, Parsed, SECRETS, Usage, authority,
    authority::Step,
    leaf,
    leaf::{Decision, Why},
    secrets,
    secrets::{Data, Intention},
};
use std::collections::BTreeMap;
use x509_parser::pem::{Pem, parse_x509_pem};

use super::kit;

const DAY: i64 = 24 * 3600;

fn day(day: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + day * DAY).unwrap()
}

fn new_authority() -> Authority {
    authority::advance(day(0), None).unwrap()
}

fn control() -> Identity {
    certificates::of_pipeline(&kit::pipeline("{metadata: {name: totals, namespace: shop}, spec: {query: x}}"))
}

fn pems(text: &str) -> Vec<Pem> {
    Pem::iter_from_buffer(text.as_bytes()).map(|pem| pem.unwrap()).collect()
}

/// Whether one of the trusted authorities signed the certificate, and both hold at that time.
fn is_trusted(at: Timestamp, certificate: &str, trusted: &str) -> bool {
    let (_, leaf) = parse_x509_pem(certificate.as_bytes()).unwrap();
    let leaf = leaf.parse_x509().unwrap();
    let holds = |one: &Parsed| one.not_before <= at.as_second() && at.as_second() <= one.not_after;
    let signed = pems(trusted).iter().any(|authority| {
        let authority = authority.parse_x509().unwrap();
        authority.subject() == leaf.issuer() && leaf.verify_signature(Some(authority.public_key())).is_ok()
    });
    signed && holds(&Parsed::read(certificate, "leaf").unwrap())
}

#[test]
fn a_certificate_says_whom_it_is_for_and_its_authority_vouches_for_it() {
    let authority = new_authority();
    let issued = leaf::issue(day(1), &control(), &authority).unwrap();
    assert!(is_trusted(day(1), &issued.certificate, &authority.trusted()));
    assert!(!is_trusted(day(1), &issued.certificate, &new_authority().trusted()), "another authority vouches for nothing");
    let parsed = Parsed::read(&issued.certificate, "leaf").unwrap();
    assert_eq!(parsed.names.iter().collect::<Vec<_>>(), ["*.totals-pipeline.shop.svc"]);
    assert!(!format!("{issued:?} {authority:?}").contains("PRIVATE KEY"), "keys are not shown");
}

#[test]
fn the_operator_is_known_as_a_client_by_its_name() {
    let identity = certificates::operator();
    assert_eq!(identity.usage, Usage::Client);
    let issued = leaf::issue(day(0), &identity, &new_authority()).unwrap();
    let (_, pem) = parse_x509_pem(issued.certificate.as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    let usage = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth);
    assert!(Parsed::read(&issued.certificate, "x").unwrap().names.contains("streamwright-operator"));
}

#[test]
fn a_certificate_is_renewed_after_two_thirds_of_its_life_or_when_it_does_not_fit() {
    let (authority, identity) = (new_authority(), control());
    let issued = leaf::issue(day(0), &identity, &authority).unwrap();
    let decide = |now, identity: &Identity, kept| leaf::decide(now, identity, kept, &authority);
    let kept = Some(issued.certificate.as_str());
    assert_eq!(decide(day(0), &identity, None), Decision::Issue(Why::Missing));
    assert_eq!(decide(day(0), &identity, Some("-----BEGIN")), Decision::Issue(Why::Unreadable));
    assert_eq!(decide(day(4), &identity, kept), Decision::Keep);
    assert_eq!(decide(day(5), &identity, kept), Decision::Issue(Why::Due));
    assert_eq!(decide(day(-1), &identity, kept), Decision::Issue(Why::FromTheFuture));
    let mut wider = identity.clone();
    wider.names.insert("192.0.2.7".into());
    assert_eq!(decide(day(0), &wider, kept), Decision::Issue(Why::NamesMissing));
    let wide = leaf::issue(day(0), &wider, &authority).unwrap();
    assert_eq!(decide(day(0), &wider, Some(&wide.certificate)), Decision::Keep, "addresses are names too");
    assert_eq!(decide(day(0), &identity, Some(&wide.certificate)), Decision::Keep, "a name too many does not matter");
    assert_eq!(leaf::decide(day(0), &identity, kept, &new_authority()), Decision::Issue(Why::OtherAuthority));
}

#[test]
fn a_listener_is_certified_for_every_address_that_leads_to_it() {
    let cluster = kit::cluster(
        "{metadata: {name: main, namespace: n}, spec: {listeners: [{name: plain, port: 1}, {name: own, port: 2, tls: {certificateSecretRef: {name: x}}},
          {name: out, type: NodePort, port: 3, tls: {}, advertisedHost: k.example.com}]}}",
    );
    let outside = BTreeMap::from([("out".to_owned(), ["192.0.2.7".to_owned()].into())]);
    let wanted = certificates::of_cluster(&cluster, &outside);
    assert_eq!(wanted.len(), 2, "one to control, one for the listener whose certificate is ours");
    for name in ["192.0.2.7", "k.example.com", "main-bootstrap.n.svc", "*.main-brokers.n.svc", "main-broker-0-out.n.svc"] {
        assert!(wanted[1].names.contains(name), "{name} is missing in {:?}", wanted[1].names);
    }
    leaf::issue(day(0), &wanted[1], &new_authority()).unwrap();
}

#[test]
fn an_authority_is_succeeded_without_cutting_anybody_off() {
    let mut authority = new_authority();
    let first = authority.trusted();
    let mut kept: BTreeMap<String, Data> = BTreeMap::new();
    let mut steps = Vec::new();
    let identity = control();
    for day_number in (0..(8 * 365)).step_by(3) {
        let now = day(day_number);
        let step = authority::decide(now, Some(&authority));
        if step != Step::Keep {
            steps.push((step, day_number));
        }
        // What workers have until the kubelet brings them what is new.
        let (old_trust, old_leaf) =
            (authority.trusted(), kept.get(&identity.place.secret).map(|data| data[&identity.place.certificate()].clone()));
        authority = authority::advance(now, Some(authority)).unwrap();
        for intention in secrets::plan(now, "shop", &authority, std::slice::from_ref(&identity), &kept).intentions {
            let Intention::Apply(secret) = intention else { panic!("nothing is deleted") };
            kept.insert(secret.metadata.name.unwrap(), text(secret.data.unwrap()));
        }
        let leaf = &kept[&identity.place.secret][&identity.place.certificate()];
        assert!(is_trusted(now, leaf, &authority.trusted()), "day {day_number}");
        assert!(is_trusted(now, leaf, &old_trust), "day {day_number}: who has not heard of the step yet");
        if let Some(old_leaf) = old_leaf {
            assert!(is_trusted(now, &old_leaf, &authority.trusted()), "day {day_number}: who still shows the certificate before");
        }
    }
    let order: Vec<_> = steps.iter().map(|(step, _)| *step).collect();
    assert_eq!(order, [Step::Prepare, Step::Promote, Step::Forget].repeat(2), "{steps:?}");
    assert!(steps[1].1 - steps[0].1 >= 30, "trusted for a month before it signs");
    assert!(!authority.trusted().contains(&first), "the first is forgotten");
}

#[test]
fn after_years_away_the_operator_starts_again_with_an_authority_that_holds() {
    let late = day(6 * 365);
    let mut authority = new_authority();
    for _ in 0..4 {
        authority = authority::advance(late, Some(authority)).unwrap();
    }
    let issued = leaf::issue(late, &control(), &authority).unwrap();
    assert!(is_trusted(late, &issued.certificate, &authority.trusted()));
}

#[test]
fn the_authority_is_read_back_from_its_secret_and_never_replaced_in_silence() {
    let authority = new_authority();
    assert_eq!(Authority::read(&authority.data()).unwrap(), Some(authority.clone()));
    assert_eq!(Authority::read(&Data::new()).unwrap(), None);
    let mut data = authority.data();
    data.remove("ca.key");
    assert!(Authority::read(&data).is_err(), "a key that is lost");
    data.insert("ca.key".into(), "nonsense".into());
    assert!(Authority::read(&data).is_err(), "a key that is none");
}

#[test]
fn secrets_are_written_when_something_changes_and_only_then() {
    let authority = new_authority();
    let one = control();
    let mut other = control();
    other.place.prefix = "other-pipeline.control.".into();
    let plan = secrets::plan(day(0), "shop", &authority, &[one.clone(), other.clone()], &BTreeMap::new());
    assert_eq!(plan.intentions.len(), 1, "one Secret for both");
    let Intention::Apply(secret) = &plan.intentions[0] else { panic!("it is applied") };
    let kept = BTreeMap::from([(secret.metadata.name.clone().unwrap(), text(secret.data.clone().unwrap()))]);

    let again = secrets::plan(day(1), "shop", &authority, &[one.clone(), other], &kept);
    assert!(again.intentions.is_empty() && again.issued.is_empty());

    let fewer = secrets::plan(day(1), "shop", &authority, std::slice::from_ref(&one), &kept);
    let [Intention::Apply(secret)] = fewer.intentions.as_slice() else { panic!("what nobody needs is taken out") };
    let data = text(secret.data.clone().unwrap());
    assert_eq!(data[&one.place.key()], kept.values().next().unwrap()[&one.place.key()], "the key that stays is the same");
    assert_eq!(data.len(), 3, "{:?}", data.keys());

    let none = secrets::plan(day(1), "shop", &authority, &[], &kept);
    assert_eq!(none.intentions, [Intention::Delete { name: one.place.secret }]);
}

#[test]
fn a_name_that_is_none_spoils_its_own_certificate_and_no_other() {
    let (good, mut bad) = (control(), control());
    bad.place.prefix = "bad.".into();
    bad.names = ["näh\u{0}".to_owned()].into();
    let plan = secrets::plan(day(0), "shop", &new_authority(), &[bad, good.clone()], &BTreeMap::new());
    assert_eq!(plan.failed.len(), 1);
    let Intention::Apply(secret) = &plan.intentions[0] else { panic!("the other is applied") };
    assert!(secret.data.as_ref().unwrap().contains_key(&good.place.certificate()));
}

#[test]
fn all_that_a_pod_mounts_is_in_the_secret_that_is_written() {
    let cluster = kit::cluster("{metadata: {name: main, namespace: n}, spec: {listeners: [{name: out, port: 3, tls: {}}]}}");
    let wanted = certificates::of_cluster(&cluster, &BTreeMap::new());
    let mut written = BTreeMap::new();
    for intention in secrets::plan(day(0), "n", &new_authority(), &wanted, &BTreeMap::new()).intentions {
        let Intention::Apply(secret) = intention else { panic!("it is applied") };
        written.insert(secret.metadata.name.unwrap(), secret.data.unwrap());
    }
    assert!(written.keys().all(|name| SECRETS.contains(&name.as_str())));
    let objects = operator::build::cluster(&cluster, &kit::cluster_inputs());
    let volumes = objects.stateful_set().unwrap().spec.clone().unwrap().template.spec.unwrap().volumes.unwrap();
    let mounted: Vec<_> = volumes.into_iter().filter_map(|volume| volume.secret).collect();
    assert_eq!(mounted.len(), 2);
    for secret in mounted {
        let data = &written[&secret.secret_name.unwrap()];
        assert!(secret.items.unwrap().iter().all(|item| data.contains_key(&item.key)));
    }
}

fn text(data: BTreeMap<String, k8s_openapi::ByteString>) -> Data {
    data.into_iter().map(|(key, bytes)| (key, String::from_utf8(bytes.0).unwrap())).collect()
}

#[test]
fn keys_are_drawn_anew_for_each_certificate() {
    let authority = new_authority();
    let Issued { key: one, .. } = leaf::issue(day(0), &control(), &authority).unwrap();
    let Issued { key: other, .. } = leaf::issue(day(0), &control(), &authority).unwrap();
    assert_ne!(one, other);
}

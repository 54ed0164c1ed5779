//! What requests look like on the wire, and what is none.

use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::{Access, Component, Decoder, DomainSpecial, PAYLOAD_MAX, Progress, Token};

fn parse(operation: Operation, payload: &[u8]) -> Result<Request, RequestRefusal> {
    Request::parse(operation.number(), payload, &DomainId::DOM0.home())
}

fn path(text: &str) -> Path {
    text.parse().expect("the path keeps the rules")
}

#[test]
fn operations_on_one_path_take_one_ended_string() {
    for (operation, expected) in [
        (Operation::Read, PathOperation::Read),
        (Operation::Directory, PathOperation::Directory),
        (Operation::Mkdir, PathOperation::Mkdir),
        (Operation::Rm, PathOperation::Rm),
        (Operation::GetPermissions, PathOperation::GetPermissions),
    ] {
        assert_eq!(parse(operation, b"/a\0"), Ok(Request::Path(path("/a"), expected)));
        for payload in [&b""[..], b"/a", b"/a\0b", b"/a\0b\0", b"/a\0\0"] {
            assert_eq!(parse(operation, payload), Err(RequestRefusal::WrongCount), "{payload:?}");
        }
        let refusal = RequestRefusal::Path(PathRefusal::Empty);
        assert_eq!(parse(operation, b"\0"), Err(refusal));
    }
}

#[test]
fn relative_paths_are_meant_from_home() {
    let home = DomainId::new(5).expect("a small number").home();
    let read = Request::parse(Operation::Read.number(), b"data/x\0", &home);
    assert_eq!(read, Ok(Request::Path(path("/local/domain/5/data/x"), PathOperation::Read)));
}

#[test]
fn special_names_have_permissions_but_no_value() {
    assert_eq!(
        parse(Operation::GetPermissions, b"@releaseDomain\0"),
        Ok(Request::GetSpecialPermissions(Special::ReleaseDomain))
    );
    assert_eq!(
        parse(Operation::SetPermissions, b"@introduceDomain\0r0\0"),
        Ok(Request::SetSpecialPermissions(
            Special::IntroduceDomain,
            Permissions { owner: DomainId::DOM0, default: Access::Read, exceptions: vec![] }
        ))
    );
    assert_eq!(
        parse(Operation::Read, b"@releaseDomain\0"),
        Err(RequestRefusal::Path(PathRefusal::UnknownSpecial))
    );
}

#[test]
fn a_written_value_is_all_bytes_after_the_path() {
    for value in [&b""[..], b"v", b"\0", b"a\0b\0"] {
        let payload = [b"/a\0", value].concat();
        let write = PathOperation::Write(Arc::from(value));
        assert_eq!(parse(Operation::Write, &payload), Ok(Request::Path(path("/a"), write)));
    }
}

#[test]
fn setting_permissions_takes_one_at_least() {
    let refusal = RequestRefusal::Permissions(PermissionsRefusal);
    assert_eq!(parse(Operation::SetPermissions, b"/a\0"), Err(refusal));
    assert_eq!(parse(Operation::SetPermissions, b"/a\0x5\0"), Err(refusal));
}

#[test]
fn a_transaction_ends_with_true_or_false() {
    let end = |payload| parse(Operation::TransactionEnd, payload);
    assert_eq!(end(b"T\0"), Ok(Request::TransactionEnd { commit: true }));
    assert_eq!(end(b"F\0"), Ok(Request::TransactionEnd { commit: false }));
    assert_eq!(end(b"X\0"), Err(RequestRefusal::NeitherTrueNorFalse));
    assert_eq!(end(b"\0"), Err(RequestRefusal::NeitherTrueNorFalse));
    assert_eq!(end(b"T"), Err(RequestRefusal::WrongCount));
}

#[test]
fn a_domain_is_introduced_with_frame_and_port() {
    let domain = DomainId::new(7).expect("a small number");
    let expected = Request::Introduce { domain, frame: 123, port: 4 };
    assert_eq!(parse(Operation::Introduce, b"7\x00123\x004\0"), Ok(expected.clone()));
    assert_eq!(parse(Operation::Introduce, b"7\x00123\x004\0old\0"), Ok(expected));
    assert_eq!(parse(Operation::Introduce, b"7\x00123\0"), Err(RequestRefusal::WrongCount));
    assert_eq!(parse(Operation::Introduce, b"7\0x\x004\0"), Err(RequestRefusal::Number));
}

#[test]
fn a_restriction_needs_a_domain() {
    let refusal = Err(RequestRefusal::Domain(DomainIdRefusal));
    for payload in [&b"\0"[..], b"x\0", b"32752\0", b"-1\0"] {
        assert_eq!(parse(Operation::Restrict, payload), refusal, "{payload:?}");
    }
    let domain = DomainId::new(5).expect("a small number");
    assert_eq!(parse(Operation::Restrict, b"5\0"), Ok(Request::Restrict(domain)));
}

#[test]
fn a_target_needs_two_domains() {
    let [domain, target] = [5, 6].map(|number| DomainId::new(number).expect("a small number"));
    let expected = Request::SetTarget { domain, target };
    assert_eq!(parse(Operation::SetTarget, b"5\x006\0"), Ok(expected));
    for payload in [&b"5\0"[..], b"5\x006", b"5\x006\x007\0"] {
        assert_eq!(parse(Operation::SetTarget, payload), Err(RequestRefusal::WrongCount));
    }
}

#[test]
fn a_watch_may_have_a_depth() {
    let watch = Watch { name: "/a".parse().expect("a path"), token: Token::new(b"t").expect("") };
    assert_eq!(parse(Operation::Watch, b"/a\0t\0"), Ok(Request::Watch(watch.clone())));
    let deep = |depth| Ok(Request::WatchDepth(watch.clone(), depth));
    assert_eq!(parse(Operation::Watch, b"/a\0t\x000\0"), deep(0));
    assert_eq!(parse(Operation::Watch, b"/a\0t\x0065535\0"), deep(u16::MAX));
    for payload in [&b"/a\0t\x0065536\0"[..], b"/a\0t\0-1\0", b"/a\0t\0\0"] {
        assert_eq!(parse(Operation::Watch, payload), Err(RequestRefusal::Number));
    }
    assert_eq!(parse(Operation::Watch, b"/a\0t\x001\0x\0"), Err(RequestRefusal::WrongCount));
}

#[test]
fn a_special_name_of_one_domain_can_be_watched_and_nothing_else() {
    let named = |text: &str| text.parse::<Name>();
    let seven = DomainId::new(7).expect("a small number");
    let expected = Name::DomainSpecial(DomainSpecial::new(Special::ReleaseDomain, seven));
    assert_eq!(expected.as_str(), "@releaseDomain/7");
    assert_eq!(named("@releaseDomain/7"), Ok(expected));
    for text in ["@releaseDomain/", "@releaseDomain/07", "@releaseDomain/32752", "@other/1"] {
        assert_eq!(named(text), Err(PathRefusal::UnknownSpecial), "{text}");
    }
    for operation in [Operation::Read, Operation::GetPermissions, Operation::Rm] {
        let refusal = RequestRefusal::Path(PathRefusal::UnknownSpecial);
        assert_eq!(parse(operation, b"@releaseDomain/7\0"), Err(refusal));
    }
}

#[test]
fn what_only_servers_send_is_no_request() {
    for number in [15, 16, 27, 0xffff, u32::MAX] {
        let refusal = RequestRefusal::UnknownOperation(number);
        assert_eq!(Request::parse(number, b"/a\0b\0", &Path::root()), Err(refusal));
    }
}

#[test]
fn every_request_number_is_parsed_by_its_own_operation() {
    for operation in Operation::ALL {
        let payloads: [&[u8]; 6] =
            [b"/a\0", b"/a\0n0\0", b"/a\x000\0", b"7\0", b"7\x001\x002\0", b"T\0"];
        for payload in payloads {
            if let Ok(request) = parse(*operation, payload) {
                assert_eq!(request.operation(), *operation);
            }
        }
    }
}

fn any_path() -> impl Strategy<Value = Path> {
    prop::collection::vec("[A-Za-z0-9_@-]{1,9}", 0..5).prop_map(|names| {
        names.iter().fold(Path::root(), |path, name| {
            let name: Component = name.parse().expect("the component keeps the rules");
            path.child(&name).expect("a short path")
        })
    })
}

fn any_domain() -> impl Strategy<Value = DomainId> {
    (0..=0x7fef_u16).prop_map(|number| DomainId::new(number).expect("not a reserved number"))
}

fn any_permissions() -> impl Strategy<Value = Permissions> {
    let access =
        || prop::sample::select(vec![Access::None, Access::Read, Access::Write, Access::Both]);
    (any_domain(), access(), prop::collection::vec((any_domain(), access()), 0..4))
        .prop_map(|(owner, default, exceptions)| Permissions { owner, default, exceptions })
}

fn any_watch() -> impl Strategy<Value = Watch> {
    let name = prop_oneof![
        any_path().prop_map(Name::Absolute),
        "[A-Za-z0-9_-]{1,9}".prop_map(|text| text.parse().expect("a relative path")),
        prop::sample::select(Special::ALL.to_vec()).prop_map(Name::Special),
        (prop::sample::select(Special::ALL.to_vec()), any_domain())
            .prop_map(|(special, domain)| Name::DomainSpecial(DomainSpecial::new(special, domain))),
    ];
    (name, prop::collection::vec(1..=u8::MAX, 0..9))
        .prop_map(|(name, token)| Watch { name, token: Token::new(&token).expect("no NUL") })
}

fn any_operation() -> impl Strategy<Value = PathOperation> {
    prop_oneof![
        Just(PathOperation::Directory),
        any::<u64>().prop_map(PathOperation::DirectoryPart),
        Just(PathOperation::Read),
        Just(PathOperation::GetPermissions),
        prop::collection::vec(any::<u8>(), 0..20)
            .prop_map(|value| PathOperation::Write(Arc::from(value))),
        Just(PathOperation::Mkdir),
        Just(PathOperation::Rm),
        any_permissions().prop_map(PathOperation::SetPermissions),
    ]
}

fn any_request() -> impl Strategy<Value = Request> {
    let special = || prop::sample::select(Special::ALL.to_vec());
    let word = || prop::collection::vec(1..=u8::MAX, 0..6);
    let name = || prop::collection::vec(1..=u8::MAX, 1..9);
    prop_oneof![
        prop::collection::vec(word(), 1..4).prop_map(Request::Control),
        (any_path(), any_operation()).prop_map(|(path, operation)| Request::Path(path, operation)),
        special().prop_map(Request::GetSpecialPermissions),
        (special(), any_permissions()).prop_map(|(special, permissions)| {
            Request::SetSpecialPermissions(special, permissions)
        }),
        any_watch().prop_map(Request::Watch),
        (any_watch(), any::<u16>()).prop_map(|(watch, depth)| Request::WatchDepth(watch, depth)),
        any_watch().prop_map(Request::Unwatch),
        Just(Request::ResetWatches),
        Just(Request::TransactionStart),
        any::<bool>().prop_map(|commit| Request::TransactionEnd { commit }),
        (any_domain(), any::<u64>(), any::<u32>())
            .prop_map(|(domain, frame, port)| Request::Introduce { domain, frame, port }),
        any_domain().prop_map(Request::Release),
        any_domain().prop_map(Request::Resume),
        (any_domain(), any_domain())
            .prop_map(|(domain, target)| Request::SetTarget { domain, target }),
        any_domain().prop_map(Request::GetDomainPath),
        any_domain().prop_map(Request::IsDomainIntroduced),
        prop::option::of(any_domain()).prop_map(Request::GetFeature),
        (any_domain(), any::<u32>())
            .prop_map(|(domain, value)| Request::SetFeature { domain, value }),
        Just(Request::GetQuota { domain: None, name: None }),
        (prop::option::of(any_domain()), name())
            .prop_map(|(domain, name)| Request::GetQuota { domain, name: Some(name) }),
        (prop::option::of(any_domain()), name(), any::<u32>())
            .prop_map(|(domain, name, value)| Request::SetQuota { domain, name, value }),
        any_domain().prop_map(Request::Restrict),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_request_that_was_written_is_read_as_it_was(
        request in any_request(),
        request_id in any::<u32>(),
        transaction in any::<u32>(),
    ) {
        let mut bytes = vec![];
        request.encode(request_id, TransactionId(transaction), &mut bytes).expect("it is short");
        let (taken, progress) = Decoder::new(PAYLOAD_MAX).feed(&bytes);
        prop_assert_eq!(taken, bytes.len());
        let Progress::Message(message) = progress else {
            return Err(TestCaseError::fail("no whole message"));
        };
        prop_assert_eq!(message.request_id, request_id);
        prop_assert_eq!(message.transaction, TransactionId(transaction));
        let read = Request::parse(message.number, &message.payload, &Path::root());
        prop_assert_eq!(read, Ok(request));
    }

    #[test]
    fn no_payload_makes_it_panic(
        number in 0..30_u32,
        payload in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let _ = Request::parse(number, &payload, &Path::root());
    }
}

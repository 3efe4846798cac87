use uuid::Uuid;

use super::*;

const READ: Need = Need::OneOf(&[Scope::JobsRead]);
const WRITE: Need = Need::OneOf(&[Scope::JobsWrite]);
const OPS: Need = Need::OneOf(&[Scope::Ops]);
const ADMIN: Need = Need::OneOf(&[Scope::Admin]);
const EITHER: Need = Need::OneOf(&[Scope::Ops, Scope::Admin]);

fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

fn key(of: Option<&str>, scopes: &[Scope], regions: &[&str]) -> ApiKey {
    ApiKey {
        id: Uuid::from_u128(1),
        name: "k".to_owned(),
        tenant: of.map(tenant),
        scopes: scopes.iter().copied().collect(),
        regions: regions.iter().map(|name| region(name)).collect(),
        created_at: Timestamp::from_millis(0),
        created_by: Actor::Open,
        expires_at: None,
        revoked_at: None,
        rotated_to: None,
    }
}

fn holder(of: Option<&str>, scopes: &[Scope]) -> Principal {
    Principal::of_key(&key(of, scopes, &[]))
}

#[test]
fn scopes_allow_what_they_say_and_no_more() {
    use Scope as S;
    for (of, scopes, may) in [
        // READ, WRITE, OPS, ADMIN, EITHER
        (Some("acme"), &[S::JobsRead][..], [true, false, false, false, false]),
        (Some("acme"), &[S::JobsWrite], [true, true, false, false, false]),
        (Some("acme"), &[S::Admin], [true, true, false, true, true]),
        (None, &[S::Ops], [true, false, true, false, true]),
        (None, &[S::Admin], [true, true, true, true, true]),
        (None, &[S::Scale], [false, false, false, false, false]),
        // No such key is made; if a row says so all the same, the fleet is not one tenant's to run.
        (Some("acme"), &[S::Ops], [true, false, false, false, false]),
        (None, &[], [false, false, false, false, false]),
    ] {
        let holder = holder(of, scopes);
        let allowed = [READ, WRITE, OPS, ADMIN, EITHER].map(|need| holder.check(need).is_ok());
        assert_eq!(allowed, may, "{of:?} {scopes:?}");
        assert_eq!(holder.check(Need::AnyKey), Ok(()));
    }
    for everything in [Principal::open(), Principal::admin_key()] {
        assert!([READ, WRITE, OPS, ADMIN].into_iter().all(|need| everything.check(need).is_ok()));
    }
    let scale = Need::OneOf(&[S::Scale]);
    for (of, scope, may) in [
        (None, S::Scale, true),
        (None, S::Ops, true),
        (None, S::Admin, true),
        (Some("acme"), S::Scale, false),
        (Some("acme"), S::Admin, false),
    ] {
        assert_eq!(holder(of, &[scope]).check(scale).is_ok(), may, "{of:?} {scope}");
    }
    assert_eq!(holder(None, &[S::Ops]).check(ADMIN), Err(Denied::Scope(&[S::Admin])));
}

#[test]
fn a_request_is_about_the_tenant_of_its_key() {
    let configured = tenant("default");
    let acme = Some(tenant("acme"));
    let denied = |name: &str| Err(Denied::Tenant(name.to_owned()));
    let one = holder(Some("acme"), &[Scope::JobsRead]);
    assert_eq!(one.whose(None, &configured), Ok(acme.clone()));
    assert_eq!(one.whose(Some("acme"), &configured), Ok(acme.clone()));
    assert_eq!(one.whose(Some("default"), &configured), denied("default"));
    let all = holder(None, &[Scope::Ops]);
    assert_eq!(all.whose(None, &configured), Ok(None));
    assert_eq!(all.whose(Some("acme"), &configured), Ok(acme));
    assert_eq!(all.whose(Some("../x"), &configured), denied("../x"));
    let open = Principal::open();
    assert_eq!(open.whose(None, &configured), Ok(Some(configured.clone())));
    assert_eq!(open.whose(Some("acme"), &configured), denied("acme"));
}

#[test]
fn regions_are_all_unless_some_are_named() {
    let here = BTreeSet::from([region("here")]);
    let (there, asked) = (region("there"), [region("here"), region("there")]);
    assert_eq!(check_regions(&BTreeSet::new(), &asked), Ok(()));
    assert_eq!(check_regions(&here, &here), Ok(()));
    assert_eq!(check_regions(&here, &asked), Err(Denied::Region(there)));
}

#[test]
fn nobody_gives_more_than_they_have() {
    use Scope as S;
    let of_acme = holder(Some("acme"), &[S::Admin]);
    for (key, good) in [
        (key(Some("acme"), &[S::JobsRead, S::JobsWrite, S::Admin], &[]), true),
        (key(Some("acme"), &[S::JobsRead], &["here"]), true),
        (key(Some("other"), &[S::JobsRead], &[]), false),
        (key(None, &[S::Admin], &[]), false),
        (key(Some("acme"), &[S::Ops], &[]), false),
    ] {
        assert_eq!(of_acme.check_grant(&key).is_ok(), good, "{key:?}");
        assert_eq!(Principal::admin_key().check_grant(&key), Ok(()));
    }
    let local = Principal::of_key(&key(None, &[S::Admin], &["here"]));
    for (regions, good) in
        [(&["here"][..], true), (&[], false), (&["there"], false), (&["here", "there"], false)]
    {
        let made = key(None, &[S::Admin], regions);
        assert_eq!(local.check_grant(&made).is_ok(), good, "{regions:?}");
    }
}

#[test]
fn a_key_lapses_for_those_who_have_its_secret() {
    let at = Timestamp::from_millis;
    let stored = |expires_at, revoked_at| StoredKey {
        key: ApiKey { expires_at, revoked_at, ..key(None, &[Scope::Admin], &[]) },
        secret: [1; 32],
        last_used_at: None,
        version: 1,
    };
    for (expires_at, revoked_at, expected) in [
        (None, None, Ok(())),
        (Some(at(11)), None, Ok(())),
        (Some(at(10)), None, Err(Lapse::Expired(at(10)))),
        (Some(at(5)), Some(at(3)), Err(Lapse::Revoked(at(3)))),
        (None, Some(at(30)), Err(Lapse::Revoked(at(30)))),
    ] {
        let stored = stored(expires_at, revoked_at);
        assert_eq!(check_key(&stored, &[1; 32], at(10)), expected);
        assert_eq!(check_key(&stored, &[2; 32], at(10)), Err(Lapse::Unknown));
    }
}

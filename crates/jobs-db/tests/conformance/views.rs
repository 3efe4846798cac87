//! Filters by name.

use panofleet_jobs_db::{Actor, View};
use serde_json::json;

use crate::fixture::{Fixture, at, tenant};

fn view(of: &str, name: &str, region: &str) -> View {
    let filter = json!({ "states": ["dead"], "region": region });
    View {
        tenant: tenant(of),
        name: name.to_owned(),
        filter: filter.as_object().unwrap().clone(),
        saved_at: at(1),
        saved_by: Actor::AdminKey,
    }
}

pub(crate) async fn a_view_is_kept_by_its_name(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let named = ["Dead \u{1f525} 'today'", "album; 42"].map(|name| view("acme", name, "hangzhou"));
    let other = view("other", &named[0].name, "us-west");
    for view in named.iter().chain([&other]) {
        assert!(db.put_view(view, 2).await.unwrap());
    }
    // A third one of the tenant is too many; another filter under a name that is there is not.
    assert!(!db.put_view(&view("acme", "third", "hangzhou"), 2).await.unwrap());
    let again = view("acme", &named[1].name, "us-west");
    assert!(db.put_view(&again, 2).await.unwrap());
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    let acme = [named[0].clone(), again.clone()];
    assert_eq!(db.views(Some(&tenant("acme"))).await.unwrap(), acme);
    assert_eq!(db.views(None).await.unwrap(), [&acme[0], &acme[1], &other].map(Clone::clone));
    assert!(db.remove_view(&tenant("acme"), &again.name).await.unwrap());
    assert!(!db.remove_view(&tenant("acme"), &again.name).await.unwrap());
    assert_eq!(db.views(None).await.unwrap(), [named[0].clone(), other]);
}

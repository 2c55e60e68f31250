//! How often the database is asked for what people wait for most: each time is a way there and back, on PostgreSQL over a
//! network.

use super::database::Database;
use super::{AGENT, District, NOW, register, scope};
use crate::database::Connection;
use crate::{Credential, Registry, SearchFilter, Showing, StoreError, Subject};
use diesel::connection::{Connection as _, InstrumentationEvent};
use gridwork_domain::search::Query;
use std::sync::{Arc, Mutex};

/// To let somebody in: who they are, their offices, and what an emergency gives.
const OF_ADMISSION: usize = 1;
/// For a page of what is found by one word: its list, the households, and their residents.
const OF_SEARCH: usize = 3;
/// To note in the audit log who is shown: its row.
const OF_NOTE: usize = 1;
/// The same in a file, whose one writer commits what waits together, each in a savepoint of its own.
const OF_NOTE_IN_A_FILE: usize = 5;

/// All that is sent to the database.
struct Sent(Arc<Mutex<Vec<String>>>);

impl Sent {
    /// By the only reader and the only writer of a registry, from here on.
    async fn by(registry: &Registry) -> Self {
        let sent = Self(Arc::default());
        registry.database.look_up(sent.listen()).await.unwrap();
        registry.database.write(sent.listen()).await.unwrap();
        sent.take();
        sent
    }

    fn listen(&self) -> impl FnMut(&mut Connection) -> Result<(), StoreError> + Send + 'static {
        let sent = self.0.clone();
        move |connection| {
            let sent = sent.clone();
            connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                let statement = match event {
                    InstrumentationEvent::StartQuery { query, .. } => query.to_string(),
                    InstrumentationEvent::CacheQuery { sql, .. } => format!("to prepare: {sql}"),
                    _ => return,
                };
                sent.lock().unwrap().push(statement);
            });
            Ok(())
        }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[tokio::test]
async fn a_search_costs_so_many_ways_to_the_database_and_over_a_network_none_for_a_ping_or_a_transaction() {
    let mut database = Database::new();
    (database.settings.readers, database.settings.writers) = (1, 1);
    let district = District::open_in(database).await;
    let registry = &district.registry;
    let new = register();
    registry.edit(AGENT, new.clone(), None, Some(scope(0)), NOW).await.unwrap();
    let session = registry.begin_session(AGENT, false, NOW).await.unwrap().session;
    let reach = district.reach(AGENT).await;
    let sent = Sent::by(registry).await;
    let search = async || {
        assert!(registry.admit(Credential::Session(session, AGENT), NOW).await.unwrap().is_some());
        let of_admission = sent.take();
        let filter = SearchFilter { query: Query::parse("zs").unwrap(), area: None, need: None };
        assert_eq!(registry.search(&reach, filter, None, 50).await.unwrap().items.len(), 1);
        let of_search = sent.take();
        let found = Subject { scope: scope(0), household: new.household, resident: None };
        let (classes, broken) = (&[], Vec::new());
        let shown = Showing { classes, records: 1, sensitivity: 1, masked: true, broken, sought_phone: false };
        registry.note_shown(AGENT, [found].into(), shown, NOW).await.unwrap();
        (of_admission, of_search, sent.take())
    };
    search().await; // statements are prepared once
    let (of_admission, of_search, of_note) = search().await;
    assert_eq!(of_admission.len(), OF_ADMISSION, "{of_admission:#?}");
    assert_eq!(of_search.len(), OF_SEARCH, "{of_search:#?}");
    let is_file = district.settings.database_url.starts_with("sqlite:");
    assert_eq!(of_note.len(), if is_file { OF_NOTE_IN_A_FILE } else { OF_NOTE }, "{of_note:#?}");
}

//! `gridwork phone`: what a grid leader's app does, from the command line.

mod watch;

use clap::{Args, Subcommand, ValueEnum};
use gridwork_domain::citizen_number::CitizenNumber;
use gridwork_domain::edit::{Action, NewResident};
use gridwork_domain::fields::{Fields, Kind, Record, Value};
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{FactId, HouseholdId, MembershipId, ResidentId};
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::{CITIZEN_NUMBER, SCHEMA_1};
use gridwork_domain::visit::{FactBody, Mode, Outcome, Visit};
use gridwork_phone::{KnownHousehold, Phone, Summary};
use std::error::Error;
use std::path::PathBuf;

/// Options of `gridwork phone`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The phone's folder.
    #[arg(long, default_value = "gridwork-phone", env = "GRIDWORK_PHONE_DIR")]
    dir: PathBuf,
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Makes this folder a phone of the member of staff to whom the code was given.
    Enrol {
        /// The server's URL.
        server: String,
        /// The one-time code.
        code: String,
    },
    /// Lists the households that the phone holds, offline.
    List {
        /// Part of a name, a telephone number or an address.
        search: Option<String>,
    },
    /// Shows a household with its visits and open conflicts, offline.
    Show {
        /// Its id.
        household: HouseholdId,
    },
    /// Records a visit, offline.
    Visit {
        /// The household's id.
        household: HouseholdId,
        /// How it was visited.
        #[arg(long, value_enum, default_value = "door")]
        mode: VisitMode,
        /// What came of it.
        #[arg(long, value_enum, default_value = "met")]
        outcome: VisitOutcome,
        /// In your own words.
        #[arg(long)]
        note: Option<String>,
    },
    /// Corrects fields, offline: `correct ID contact_phone=13812345678`; a field without value is cleared.
    Correct {
        /// The household's id.
        household: HouseholdId,
        /// Fields of the household; of the dwelling with --dwelling, of a resident with --resident.
        #[arg(required = true)]
        fields: Vec<String>,
        /// The fields are the dwelling's.
        #[arg(long, conflicts_with = "resident")]
        dwelling: bool,
        /// The fields are this resident's.
        #[arg(long)]
        resident: Option<ResidentId>,
    },
    /// Registers a household that is not known yet, offline: `register 和平路12号3单元501`.
    Register {
        /// Its address.
        address: String,
    },
    /// Adds a resident, offline: `add ID name=王小明 sex=1`.
    Add {
        /// The household's id.
        household: HouseholdId,
        /// What is known of the person.
        #[arg(required = true)]
        fields: Vec<String>,
        /// Relation to the head, a code of GB/T 4761.
        #[arg(long)]
        relation: Option<String>,
    },
    /// Sends what was recorded and receives what is new.
    Sync {
        /// Another URL of the server from now on.
        #[arg(long)]
        server: Option<String>,
    },
    /// Stays connected, syncs as soon as something changes, and says what changed, until Ctrl-C.
    Watch {
        /// Another URL of the server from now on.
        #[arg(long)]
        server: Option<String>,
    },
    /// What has not been sent, what was refused and why, and when the server was last reached.
    Status,
}

#[derive(Clone, Copy, ValueEnum)]
enum VisitMode {
    Door,
    Phone,
    Neighbour,
}

#[derive(Clone, Copy, ValueEnum)]
enum VisitOutcome {
    Met,
    Proxy,
    NoAnswer,
    Refused,
    MovedAway,
    Vacant,
}

/// Drives a phone.
///
/// # Errors
/// What the phone says; nothing was saved then.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    if let Step::Enrol { server, code } = &arguments.step {
        let phone = Phone::enrol(&arguments.dir, server, code)?;
        println!("enrolled for {}; now: gridwork phone sync", phone.owner().name);
        return Ok(());
    }
    let mut phone = Phone::open(&arguments.dir)?;
    match &arguments.step {
        Step::Enrol { .. } => {}
        Step::List { search } => {
            let found = search.as_deref().map_or_else(|| phone.households(), |text| phone.search(text));
            found.iter().for_each(print_summary);
            println!("{} households", found.len());
        }
        Step::Show { household } => show(&phone, *household)?,
        Step::Visit { household, mode, outcome, note } => {
            let (fact, at) = (FactId::new(phone.now(), phone.random()), phone.now());
            let visit = Visit {
                mode: (*mode).into(),
                outcome: (*outcome).into(),
                purposes: vec!["routine".to_owned()],
                spoken_to: Vec::new(),
                observations: Vec::new(),
                note: note.clone(),
                place: None,
                started_at: at,
                ended_at: at,
            };
            record(&mut phone, *household, Action::RecordVisit { fact, visit })?;
        }
        Step::Correct { household, fields, dwelling, resident } => {
            let path = match resident {
                Some(resident) => RecordPath::resident(*resident),
                None if *dwelling => RecordPath::dwelling(),
                None => RecordPath::household(),
            };
            let fields = parse_fields(&mut phone, &path.container, fields)?;
            record(&mut phone, *household, Action::Correct { record: path, fields })?;
        }
        Step::Register { address } => {
            let household = HouseholdId::new(phone.now(), phone.random());
            let (fields, residents) = (Fields::new().with("status", "living"), Vec::new());
            let dwelling = Fields::new().with("address", address.as_str());
            println!("household {household}");
            record(&mut phone, household, Action::RegisterHousehold { fields, dwelling, residents })?;
        }
        Step::Add { household, fields, relation } => {
            let stay = relation.iter().fold(Fields::new(), |stay, code| stay.with("relation", code.as_str()));
            let resident = NewResident {
                resident: ResidentId::new(phone.now(), phone.random()),
                membership: MembershipId::new(phone.now(), phone.random()),
                fields: parse_fields(&mut phone, "residents", fields)?,
                stay,
            };
            println!("resident {}", resident.resident);
            record(&mut phone, *household, Action::AddResident(resident))?;
        }
        Step::Sync { server } => sync(&mut phone, server.as_deref())?,
        Step::Watch { server } => {
            if let Some(server) = server {
                phone.set_server(server)?;
            }
            watch::watch(&mut phone)?;
        }
        Step::Status => status(&mut phone)?,
    }
    Ok(())
}

fn record(phone: &mut Phone, household: HouseholdId, action: Action) -> Result<(), Box<dyn Error>> {
    let edit = phone.edit(household, action);
    phone.record(edit, None, None)?;
    println!("saved; it is sent with the next sync");
    Ok(())
}

fn sync(phone: &mut Phone, server: Option<&str>) -> Result<(), Box<dyn Error>> {
    if let Some(server) = server {
        phone.set_server(server)?;
    }
    let report = phone.sync()?;
    println!("sent {} changes, received {} in {} requests", report.pushed, report.received, report.requests);
    match report.failure {
        Some(failure) => {
            Err(format!("not everything was synced: {failure:?}; what was recorded is safe, try again").into())
        }
        None => Ok(()),
    }
}

fn status(phone: &mut Phone) -> Result<(), Box<dyn Error>> {
    let status = phone.status();
    println!("phone of {}, {} households", phone.owner().name, phone.households().len());
    println!("waiting to be sent {}, held by the server {}, refused {}", status.waiting, status.held, status.refused);
    if status.lost > 0 {
        let (lost, refused) = (status.lost, status.lost_and_refused);
        println!("lost by the server, and handed in again {lost}, of which it refuses {refused}");
    }
    match status.last_contact {
        Some(at) => println!("last contact {}", date_and_time(at)),
        None => println!("the server was never reached"),
    }
    if let Some(skew_ms) = status.skew_ms {
        let word = if skew_ms < 0 { "behind" } else { "ahead of" };
        println!("the server's clock is {} ms {word} this one", skew_ms.unsigned_abs());
    }
    match phone.reference()? {
        Some(lists) => println!("lists of version {}, asked {}", lists.version, date_and_time(lists.checked_at)),
        None => println!("no lists yet: they come with the first sync"),
    }
    for entry in phone.outbox() {
        println!("  {} of {}: {:?}", entry.edit.id, entry.edit.household, entry.state);
    }
    Ok(())
}

fn show(phone: &Phone, id: HouseholdId) -> Result<(), Box<dyn Error>> {
    let known = phone.household(id).ok_or("the phone holds no such household")?;
    let KnownHousehold { household, conflicts, .. } = &known;
    println!("household {id}");
    for (path, record) in &household.records {
        println!("  {path}: {}", line(record));
    }
    for (path, member) in household.needs() {
        println!("  need {} of {}: {}", path.kind, path.subject, line(&member.attributes));
    }
    for conflict in conflicts {
        println!("  CONFLICT {}", conflict.path);
        for one in &conflict.alternatives {
            let who = one.by.name.as_deref().unwrap_or("(unknown)");
            let value = one.value.as_ref().map_or("(cleared)".to_owned(), ToString::to_string);
            println!("    {value} by {who}, {}", date_and_time(one.at));
        }
    }
    for known in phone.visits(id) {
        let who = known.by.name.as_deref().unwrap_or("(unknown)");
        println!("  {} by {who}: {}", date_and_time(known.fact.happened_at()), words(&known.fact.body));
        for correction in &known.corrections {
            println!("    corrected: {}", words(&correction.fact.body));
        }
    }
    Ok(())
}

fn words(body: &FactBody) -> String {
    match body {
        FactBody::Visit(visit) => {
            format!("{} {} {}", visit.mode.word(), visit.outcome.word(), visit.note.as_deref().unwrap_or_default())
        }
        FactBody::Note { text, .. } => format!("note {text}"),
        FactBody::Correction { reason, visit, .. } => {
            format!("{} {} ({reason})", visit.mode.word(), visit.outcome.word())
        }
    }
}

fn print_summary(summary: &Summary) {
    let conflicts = if summary.conflicts > 0 { "  CONFLICT" } else { "" };
    let phone = summary.contact_phone.as_deref().unwrap_or("-");
    println!("{}  {}  {phone}  {}{conflicts}", summary.id, summary.address, summary.residents.join(" "));
}

fn line(record: &Record) -> String {
    // The phone cannot open it either.
    let shown =
        |name: &str, value: &Value| if name == CITIZEN_NUMBER { "(sealed)".to_owned() } else { value.to_string() };
    record.0.iter().map(|(name, value)| format!("{name}={}", shown(name, value))).collect::<Vec<_>>().join("  ")
}

fn date_and_time(at: Instant) -> String {
    let minutes = at.plus_ms(8 * 3_600_000).ms().div_euclid(60_000).rem_euclid(24 * 60);
    let date = at.date_in_shanghai().map_or_else(|| at.ms().to_string(), |date| date.to_string());
    format!("{date} {:02}:{:02}", minutes / 60, minutes % 60)
}

/// Reads `name=value` as the container's field wants it. A citizen number is sealed here.
fn parse_fields(phone: &mut Phone, container: &str, texts: &[String]) -> Result<Fields, Box<dyn Error>> {
    let container = SCHEMA_1.container(container).ok_or("no such record")?;
    let mut fields = Fields::new();
    for text in texts {
        let (name, value) = text.split_once('=').ok_or_else(|| format!("{text} is not name=value"))?;
        let value = match container.field(name).map(|field| field.kind) {
            _ if value.is_empty() => None,
            Some(Kind::Integer(..)) => Some(Value::Integer(value.parse().map_err(|_| format!("{name} is a number"))?)),
            Some(Kind::SealedNumber) => Some(phone.seal(&CitizenNumber::parse(value)?)?),
            _ => Some(Value::from(value)),
        };
        fields.0.insert(name.to_owned(), value);
    }
    Ok(fields)
}

impl From<VisitMode> for Mode {
    fn from(mode: VisitMode) -> Self {
        match mode {
            VisitMode::Door => Self::Door,
            VisitMode::Phone => Self::Phone,
            VisitMode::Neighbour => Self::Neighbour,
        }
    }
}

impl From<VisitOutcome> for Outcome {
    fn from(outcome: VisitOutcome) -> Self {
        match outcome {
            VisitOutcome::Met => Self::Met,
            VisitOutcome::Proxy => Self::Proxy,
            VisitOutcome::NoAnswer => Self::NoAnswer,
            VisitOutcome::Refused => Self::Refused,
            VisitOutcome::MovedAway => Self::MovedAway,
            VisitOutcome::Vacant => Self::Vacant,
        }
    }
}

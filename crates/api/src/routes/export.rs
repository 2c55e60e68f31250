//! Exporting lists 台账: households, residents and visits as CSV or XLSX.
//!
//! **Invariant:** a list holds what its caller may read and nothing else; memory holds one page of it at a time. A list
//! that cannot be read to its end breaks off, so that nobody takes it for whole.

pub(crate) mod lines;

use crate::caller::{self, Caller};
use crate::problem::Problem;
use crate::request_parts::Filter;
use crate::state::State;
use crate::table_file::{self, TableFile};
use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, get};
use futures_util::TryStreamExt;
use futures_util::stream::try_unfold;
use gridwork_domain::id::AreaId;
use gridwork_registry::Cursor;
use gridwork_roster::{CsvTable, Entry, WriteError, XlsxTable};
use lines::{Lines, List};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use utoipa::{IntoParams, ToSchema};

/// Bytes that are read from a finished spreadsheet at once.
const PIECE_BYTES: u64 = 64 * 1024;

/// Which file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// CSV in UTF-8.
    #[default]
    Csv,
    /// A spreadsheet.
    Xlsx,
}

/// Which rows, and which file.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportQuery {
    /// CSV in UTF-8, which is also what is given to who does not say, or an XLSX spreadsheet.
    #[param(inline)]
    format: Option<Format>,
    /// Only what is within this area.
    #[param(value_type = Option<String>)]
    area: Option<AreaId>,
}

macro_rules! exports {
    ($($handler:ident $path:literal $id:literal $list:ident $summary:literal $text:literal;)+) => {$(
        #[doc = $summary]
        #[doc = ""]
        #[doc = $text]
        #[utoipa::path(
            operation_id = $id,
            tag = "tables",
            security(("staff" = [])),
            extensions(("x-gridwork-permission" = json!("read"))),
            params(
                ExportQuery,
                ("Accept-Language" = Option<String>, Header, description = "The language of headers: `zh` or `en`.")
            ),
            responses((
                status = 200,
                description = "The file, as an attachment.",
                content(
                    (TableFile = "text/csv"),
                    (TableFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
                ),
                headers(
                    ("Content-Disposition" = String, description = "A name for the file."),
                    ("Content-Language" = String, description = "The language of the headers.")
                )
            ))
        )]
        #[get($path)]
        pub(crate) async fn $handler(
            caller: Caller,
            query: Filter<ExportQuery>,
            request: HttpRequest,
            state: web::Data<State>,
        ) -> Result<HttpResponse, Problem> {
            export(List::$list, caller, query.0, &request, state).await
        }
    )+};
}

exports! {
    households "/v1/exports/households" "exportHouseholds" Households
        "Export households" "Those in your areas, a household in each row, as a CSV or XLSX file.";
    residents "/v1/exports/residents" "exportResidents" Residents
        "Export residents"
        "Those in your areas, a resident with the dwelling in each row, as a CSV or XLSX file. An import reads it back.";
    visits "/v1/exports/visits" "exportVisits" Visits
        "Export visits"
        "Visits and notes in your areas as they read after their last correction, as a CSV or XLSX file.";
}

async fn export(
    list: List,
    caller: Caller,
    query: ExportQuery,
    request: &HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let language = table_file::language(request);
    let now = caller.now;
    let credential = caller::credential(&state, request)?;
    let lines = Lines::new(list, (caller, credential), query.area, language, state.clone()).await?;
    let format = query.format.unwrap_or_default();
    let (media_type, ending) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
        Format::Xlsx => (table_file::XLSX, "xlsx"),
    };
    let today = now.date_in_shanghai().map_or_else(String::new, |date| format!("-{date}"));
    let name = format!("attachment; filename=\"{}{today}.{ending}\"", list.word());
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, media_type))
        .insert_header((header::CONTENT_LANGUAGE, language.tag()))
        .insert_header((header::CONTENT_DISPOSITION, name));
    match format {
        Format::Csv => as_text(lines, response).await,
        Format::Xlsx => {
            let _turn = state.exports.enter().await?;
            as_spreadsheet(lines, response).await
        }
    }
}

/// Page after page, as the caller takes them. What goes wrong with the first is still a problem.
pub(crate) async fn as_text(
    mut lines: Lines,
    mut response: actix_web::HttpResponseBuilder,
) -> Result<HttpResponse, Problem> {
    let mut table = CsvTable::new();
    let (rows, next) = lines.page(None).await?;
    let headers = [lines.headers()];
    let first = table.rows(headers.iter().chain(&rows)).map_err(Problem::internal)?;
    let begin = Pages::First(first, next);
    let pages = try_unfold((begin, table, lines), async |(pages, mut table, mut lines)| {
        let (bytes, next) = match pages {
            Pages::First(bytes, next) => (bytes, next),
            Pages::After(Some(cursor)) => {
                let (rows, next) = lines.page(Some(cursor)).await?;
                (table.rows(&rows).map_err(Problem::internal)?, next)
            }
            Pages::After(None) => return Ok::<_, Problem>(None),
        };
        Ok(Some((Bytes::from(bytes), (Pages::After(next), table, lines))))
    });
    Ok(response.streaming(Box::pin(pages.map_err(broken_off))))
}

enum Pages {
    First(Vec<u8>, Option<Cursor>),
    After(Option<Cursor>),
}

/// Written into a file without a name first, as a spreadsheet says at its end what is in it.
async fn as_spreadsheet(
    mut lines: Lines,
    mut response: actix_web::HttpResponseBuilder,
) -> Result<HttpResponse, Problem> {
    let title = lines.title().to_owned();
    let mut table = blocking(move || XlsxTable::new(&title)).await?;
    let mut rows = vec![lines.headers()];
    let mut after = None;
    loop {
        let (page, next) = lines.page(after).await?;
        rows.extend(page);
        table = blocking(move || add(table, &rows)).await?;
        rows = Vec::new();
        match next {
            Some(cursor) => after = Some(cursor),
            None => break,
        }
    }
    let file = blocking(move || finish(table)).await?;
    let pieces = try_unfold(file, async |file| {
        let read = move || {
            let mut bytes = Vec::new();
            (&file).take(PIECE_BYTES).read_to_end(&mut bytes)?;
            Ok::<_, WriteError>((bytes, file))
        };
        let (bytes, file) = blocking(read).await?;
        Ok::<_, Problem>((!bytes.is_empty()).then(|| (Bytes::from(bytes), file)))
    });
    Ok(response.streaming(Box::pin(pieces.map_err(broken_off))))
}

fn add(mut table: XlsxTable, rows: &[Vec<Entry>]) -> Result<XlsxTable, WriteError> {
    rows.iter().try_for_each(|row| table.row(row))?;
    Ok(table)
}

fn finish(table: XlsxTable) -> Result<File, WriteError> {
    let mut file = tempfile::tempfile()?;
    let mut buffered = BufWriter::new(&mut file);
    table.finish(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    file.rewind()?;
    Ok(file)
}

/// The answer has begun, so that it can only be cut off; the reason is for the log.
fn broken_off(problem: Problem) -> io::Error {
    let cause = problem.cause().unwrap_or_else(|| problem.to_string());
    tracing::error!(cause, "a list broke off");
    io::Error::other("the list broke off")
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WriteError> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(Problem::internal)?.map_err(Problem::internal)
}

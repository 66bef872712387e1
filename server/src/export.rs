//! Exports of the lists as files: every row that matches, with the filter and columns of the page, streamed page by page.
//!
//! Memory is bounded by one page of rows and the client sets the pace. The first page is read before the answer starts, so that a
//! refusal is a problem with its status and never a broken file. Payloads are not part of any export. A file that is whole says so: the
//! last line of NDJSON is its manifest, and that of any file is at [`manifests`].

mod cell;
pub mod manifests;
mod table;
mod writer;

use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use futures::stream;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, LINK};
use tidewatch_app::pages::devices::query::{Column, DevicesQuery};
use tidewatch_app::pages::params::{ListState, Params};
use tidewatch_app::paths;
use tidewatch_domain::drain::{ItemFilter, ItemOutcome};
use tidewatch_domain::fleet::DeviceSort;
use tidewatch_domain::manifest::Tally;
use tidewatch_domain::page::{PAGE_ROWS_MAX, Page, Position};
use tidewatch_domain::role::Action;
use tidewatch_service::{Cx, Error, Result, Service};

use crate::api::error::Answer;
use crate::gate::Caller;
use crate::state::App;
use cell::Cell;
use manifests::Exported;
use writer::Writer;

/// The list that a file holds, and what of it.
#[derive(Clone, Debug)]
enum List {
    Devices {
        filter: String,
        sort: DeviceSort,
        columns: Vec<Column>,
    },
    /// With what has happened to each, where the kind of file leaves nothing out.
    Outbox {
        filter: String,
        group: Option<String>,
        whole: bool,
        /// By device and operation: see [`begin`].
        steady: bool,
    },
    OutboxDevices {
        filter: String,
    },
    DrainItems {
        job: String,
        filter: ItemFilter,
    },
    CommandLogs {
        command: String,
    },
    Changes {
        filter: String,
    },
    Audit {
        filter: String,
    },
}

impl List {
    /// Reads the state of the page that the export belongs to; its position and length do not matter here.
    fn parse(name: &str, kind: &str, params: &Params) -> Result<Self> {
        match name {
            "devices" => {
                let query = DevicesQuery::parse(params)?;
                Ok(Self::Devices { filter: query.list.filter, sort: query.sort, columns: query.columns })
            }
            "outbox" => {
                let (filter, group) = (ListState::parse(params)?.filter, params.one("group").map(str::to_owned));
                Ok(Self::Outbox { filter, group, whole: kind == "ndjson", steady: false })
            }
            "outbox-devices" => Ok(Self::OutboxDevices { filter: ListState::parse(params)?.filter }),
            "drain-items" => {
                let outcome = params.one("outcome").filter(|text| !text.is_empty());
                let unknown = || Error::Invalid { field: "outcome", detail: "is no outcome of an item".to_owned() };
                let outcome = outcome.map(|text| ItemOutcome::parse(text).ok_or_else(unknown)).transpose()?;
                let code = params.one("code").filter(|text| !text.is_empty()).map(str::to_owned);
                let alone = || Error::Invalid { field: "code", detail: "goes with the outcome skipped or failed".to_owned() };
                let filter = ItemFilter::new(outcome, code).ok_or_else(alone)?;
                Ok(Self::DrainItems { job: params.one("job").ok_or(Error::NotFound("job"))?.to_owned(), filter })
            }
            "command-logs" => {
                Ok(Self::CommandLogs { command: params.one("command").ok_or(Error::NotFound("command"))?.to_owned() })
            }
            "changes" => Ok(Self::Changes { filter: ListState::parse(params)?.filter }),
            "audit" => Ok(Self::Audit { filter: ListState::parse(params)?.filter }),
            _ => Err(Error::NotFound("export")),
        }
    }

    fn header(&self) -> table::Header {
        match self {
            Self::Devices { columns, .. } => table::device_header(columns),
            Self::Outbox { whole: false, .. } => table::outbox_header(),
            Self::Outbox { whole: true, .. } => [table::outbox_header(), table::outbox_past_header()].concat(),
            Self::OutboxDevices { .. } => table::outbox_device_header(),
            Self::DrainItems { .. } => table::drain_item_header(),
            Self::CommandLogs { .. } => table::log_header(),
            Self::Changes { .. } => table::change_header(),
            Self::Audit { .. } => table::audit_header(),
        }
    }

    /// The rows at a position, and the position that follows them.
    async fn rows(&self, service: &Service, cx: &Cx, at: &Position) -> Result<Rows> {
        match self {
            Self::Devices { filter, sort, columns } => {
                let list = service.devices_list(cx, filter, *sort, at, PAGE_ROWS_MAX).await?;
                Ok(cells(list.page, |row| table::device_cells(columns, row)))
            }
            Self::Outbox { filter, group, whole, steady } => {
                let group = match group {
                    Some(id) => Some(service.outbox_group(cx, id).await?.signature),
                    None => None,
                };
                let group = group.as_deref();
                let page = match at {
                    Position::After(after) if *steady => {
                        service.outbox_list_steady(cx, group, filter, Some(after), PAGE_ROWS_MAX).await?
                    }
                    _ if *steady => service.outbox_list_steady(cx, group, filter, None, PAGE_ROWS_MAX).await?,
                    _ => service.outbox_list(cx, group, filter, at, PAGE_ROWS_MAX).await?,
                };
                let past = if *whole { service.outbox_past(cx, &page.rows).await? } else { Vec::new() };
                let (mut rows, next) = cells(page, table::outbox_cells);
                rows.iter_mut().zip(&past).for_each(|(row, past)| row.extend(table::outbox_past_cells(past)));
                Ok((rows, next))
            }
            Self::OutboxDevices { filter } => {
                Ok(cells(service.outbox_devices(cx, filter, at, PAGE_ROWS_MAX).await?, table::outbox_device_cells))
            }
            Self::DrainItems { job, filter } => {
                Ok(cells(service.drain_job_items(cx, job, filter, at, PAGE_ROWS_MAX).await?, table::drain_item_cells))
            }
            Self::CommandLogs { command } => {
                Ok(cells(service.command_logs(cx, command, at, PAGE_ROWS_MAX).await?.page, table::log_cells))
            }
            Self::Changes { filter } => {
                Ok(cells(service.changes_list(cx, filter, at, PAGE_ROWS_MAX).await?, table::change_cells))
            }
            Self::Audit { filter } => Ok(cells(service.audit_list(cx, filter, at, PAGE_ROWS_MAX).await?, table::audit_cells)),
        }
    }
}

/// Rows in hand, and the position that follows them.
type Rows = (Vec<Vec<Cell>>, Option<Position>);

fn cells<T>(page: Page<T>, of: impl Fn(&T) -> Vec<Cell>) -> Rows {
    (page.rows.iter().map(of).collect(), page.next.map(Position::After))
}

/// `GET /export/<list>.<kind>`, for staff and API tokens.
pub async fn export_list(
    State(app): State<App>,
    Caller(cx): Caller,
    Path(file): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    Ok(open(app, cx, &file, query.as_deref().unwrap_or_default()).await?)
}

async fn open(app: App, cx: Cx, file: &str, query: &str) -> Result<Response> {
    cx.require(Action::ExportRedacted)?;
    let (name, kind) = file.split_once('.').ok_or(Error::NotFound("export"))?;
    let list = List::parse(name, kind, &Params::parse(query))?;
    let writer = Writer::new(kind, list.header()).ok_or(Error::NotFound("export"))?;
    let (list, first) = begin(list, app.service(), &cx).await?;
    let date: String = cx.now.to_string().chars().take(10).collect();
    let headers = [
        (CONTENT_TYPE, writer.content_type().to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"tidewatch-{name}-{date}.{kind}\"")),
        (CACHE_CONTROL, "no-store".to_owned()),
        (LINK, format!("<{}>; rel=\"describedby\"", paths::export_manifest(&cx.request_id))),
    ];
    let name = [name, kind, query].map(str::to_owned);
    let export = Export { app, cx, list, name, writer, tally: Tally::default(), step: Step::Have(first) };
    Ok((headers, Body::from_stream(stream::try_unfold(export, next_chunk))).into_response())
}

/// The first page. The place of a device or an entry in most orders moves while the export runs, so that a page could miss it or show it
/// twice; a name stays, and so do device and operation. What fits one page keeps the order asked for, anything longer goes by those.
async fn begin(mut list: List, service: &Service, cx: &Cx) -> Result<(List, Rows)> {
    let first = list.rows(service, cx, &Position::Start).await?;
    match &mut list {
        List::Devices { sort, .. } if first.1.is_some() && *sort != DeviceSort::Name => {
            *sort = DeviceSort::Name;
        }
        List::Outbox { steady, .. } if first.1.is_some() => *steady = true,
        _ => return Ok((list, first)),
    }
    let first = list.rows(service, cx, &Position::Start).await?;
    Ok((list, first))
}

/// An export under way.
struct Export {
    app: App,
    cx: Cx,
    list: List,
    /// List, kind and query, as they were asked for.
    name: [String; 3],
    writer: Writer,
    tally: Tally,
    step: Step,
}

impl Export {
    /// Counts rows that are about to go out.
    fn sent(&mut self, text: &str, rows: usize) {
        self.tally.add(text.as_bytes(), rows as u64);
    }

    /// The end of the file. Its manifest is kept from now on.
    fn close(&mut self) -> String {
        let end = self.writer.close(&self.tally);
        self.sent(&end, 0);
        let [list, kind, query] = self.name.clone();
        let (id, actor, begun) = (self.cx.request_id.clone(), self.cx.actor.audit_name(), self.cx.now);
        self.app.manifests().keep(Exported { id, actor, list, kind, query, begun, manifest: self.tally.manifest() });
        end
    }
}

enum Step {
    Have(Rows),
    Ask(Position),
    Done,
}

async fn next_chunk(mut export: Export) -> Result<Option<(Bytes, Export)>> {
    let (rows, next) = match std::mem::replace(&mut export.step, Step::Done) {
        Step::Have(rows) => rows,
        Step::Ask(position) => {
            let asked = export.list.rows(export.app.service(), &export.cx, &position).await;
            asked.inspect_err(|error| {
                let request_id = &export.cx.request_id;
                tracing::error!(request_id, ?error, "export of request {request_id} broke off");
            })?
        }
        Step::Done => return Ok(None),
    };
    let mut text = export.writer.rows(&rows);
    export.sent(&text, rows.len());
    match next {
        Some(position) => export.step = Step::Ask(position),
        None => text.push_str(&export.close()),
    }
    Ok(Some((Bytes::from(text), export)))
}

//! First run: nothing to watch yet, and the two ways to change that. Every command here works as it stands.

use leptos::prelude::*;
use tidewatch_domain::fleet::Tone;

use crate::icon::{Icon, IconName};
use crate::paths;
use crate::ui::Panel;
use crate::ui::tag::{Dot, Tag};

/// The words of an empty fleet.
#[component]
pub fn FirstRun() -> impl IntoView {
    let origin = origin();
    let simulate = origin.clone();
    view! {
        <div class="page-head">
            <div><h1>"No devices yet"</h1><p>"Tidewatch is running and has nothing to watch. Start a simulated fleet to look around, or connect a real device."</p></div>
        </div>
        <div class="cols cols-halves cols-stretch">
            <Panel id="h-sim" title="Start a simulated fleet" end=|| view! { <Tag tone=Tone::Idle text="takes 10 s"/> }><Simulate origin=simulate/></Panel>
            <Panel id="h-con" title="Connect a device"><Connect origin/></Panel>
        </div>
        <Panel id="h-next" title="After the first check-in" plain=true>
            <div class="panel-body next-grid">
                <Next href=paths::OVERVIEW name="Overview" text="Is anything wrong, what is worst, and what breaks next."/>
                <Next href=paths::DEVICES name="Devices" text="Who is stuck, who drifts, and at which of the four gates."/>
                <Next href=paths::CHANGES name="Changes" text="Every change in the log, and the trace of one operation."/>
                <Next href=paths::AUDIT name="Audit" text="Who did what, when, and on what."/>
            </div>
        </Panel>
    }
    .into_any()
}

/// Where this page was asked for: what a device has to be told.
fn origin() -> String {
    let parts = use_context::<http::request::Parts>();
    let header = |name: &str| parts.as_ref().and_then(|parts| parts.headers.get(name)?.to_str().ok().map(str::to_owned));
    let host = header("host").filter(|host| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte)));
    let host = host.unwrap_or_else(|| "127.0.0.1:4600".to_owned());
    let scheme = if header("x-forwarded-proto").as_deref() == Some("https") { "https" } else { "http" };
    format!("{scheme}://{host}")
}

/// Makes an enrolment token for a device of one's own.
const TOKEN: &str = "TOKEN=$(tidewatch token create --kind enrolment --scopes global)";

/// Makes one that gives what simulated devices ask for: the sites they stand at.
const TOKEN_SIMULATED: &str = "TOKEN=$(tidewatch token create --kind enrolment --scopes \\
  site:lowestoft,site:harwich,site:felixstowe,site:norwich,\\
site:ipswich,site:yarmouth,site:clacton,site:aldeburgh)";

#[component]
fn Simulate(origin: String) -> impl IntoView {
    let command = format!("{TOKEN_SIMULATED}\ntidewatch simulate --url {origin} --enrol \"$TOKEN\"");
    view! {
        <div class="panel-body grid gap-4">
            <p class="muted">"Virtual clients that go offline, lose packets, drift, make conflicts and now and then write something poisonous. They sync with this server over HTTP, the way real ones do, and are marked wherever they appear."</p>
            <Command command label="the two commands"/>
            <p class="small faint">"Run it on this machine, in the folder that the server was started in. Ctrl C ends it; the devices stay in the table."</p>
        </div>
    }
    .into_any()
}

#[component]
fn Connect(origin: String) -> impl IntoView {
    let enrol = format!(
        "curl -s {origin}/clients -H \"Authorization: Bearer $TOKEN\" \\\n  -H 'Content-Type: application/json' \\\n  -d '{{\"platform\":\"linux\",\"app_version\":\"0.1.0\",\"schema_version\":1}}'"
    );
    let report = format!(
        "curl -s {origin}/telemetry -H \"Authorization: Bearer $ACCESS_TOKEN\" \\\n  -H 'Content-Type: application/json' \\\n  -d '{{\"client_id\":\"'$CLIENT_ID'\",\"reports\":[{{\"report_id\":\"r1\",\"at\":\"'$(date -u +%FT%TZ)'\",\n       \"device\":{{\"name\":\"my-first-device\",\"platform\":\"linux\"}}}}]}}'"
    );
    view! {
        <div class="panel-body">
            <ol class="connect">
                <Step number=1 title="Make an enrolment token" command=TOKEN.to_owned() note="On this machine. It is shown once and kept as a hash."/>
                <Step number=2 title="Register the device" command=enrol note="Answers with client_id and access_token: keep them in CLIENT_ID and ACCESS_TOKEN."/>
                <Step number=3 title="Send one report" command=report note=""/>
                <li>
                    <span class="step-no">"4"</span>
                    <div class="grid"><b>"See it arrive"</b><div class="waiting" role="status"><Dot tone=Tone::Run/><span>"No device has registered yet. This page changes by itself."</span></div></div>
                </li>
            </ol>
        </div>
    }
    .into_any()
}

#[component]
fn Step(number: u8, title: &'static str, command: String, note: &'static str) -> impl IntoView {
    view! {
        <li>
            <span class="step-no">{number}</span>
            <div class="grid"><b>{title}</b><Command command label=title/>{(!note.is_empty()).then(|| view! { <small class="faint">{note}</small> })}</div>
        </li>
    }
    .into_any()
}

#[component]
fn Command(command: String, label: &'static str) -> impl IntoView {
    view! {
        <div class="codeblock">
            <pre>{command.clone()}</pre>
            <button class="btn btn-icon btn-small js-only" type="button" data-copy=command aria-label=format!("Copy: {label}")><Icon name=IconName::Copy/></button>
        </div>
    }
}

#[component]
fn Next(href: &'static str, name: &'static str, text: &'static str) -> impl IntoView {
    view! { <div><h3><a href=href>{name}</a></h3><p>{text}</p></div> }
}

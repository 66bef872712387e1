//! The as-of stamp: live, paused or stale. Owns the event stream; the page's script fetches and morphs what changed.
//!
//! They speak through events of `document`. To the page: `tidewatch:refresh` (fetch now), `tidewatch:paused` (drop what is under way). From
//! the page: `tidewatch:refreshed` (detail: as-of instant, ISO), `tidewatch:held` (something is selected or open, or was dropped),
//! `tidewatch:failed` (the page could not be fetched).

#![expect(missing_docs, reason = "the macro makes a type of the island, without documentation")]

use leptos::ev::CustomEvent;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::EventSource;

/// Wait before a stream that the browser gave up on is opened again, milliseconds; doubles up to [`RETRY_MS_MAX`].
const RETRY_MS: u32 = 2_000;
const RETRY_MS_MAX: u32 = 30_000;

/// State of the stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The page as it was served: no stream (yet).
    Still,
    /// The stream is open.
    Live,
    /// Stopped by its button.
    Paused,
    /// Waiting for what is selected or open.
    Held,
    /// The stream broke.
    Stale,
}

impl State {
    const fn attribute(self) -> Option<&'static str> {
        match self {
            Self::Still => None,
            Self::Live => Some("live"),
            Self::Paused | Self::Held => Some("paused"),
            Self::Stale => Some("stale"),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Still => "",
            Self::Live => "Live",
            Self::Paused | Self::Held => "Paused",
            Self::Stale => "Stale",
        }
    }

    const fn button(self) -> (&'static str, &'static str) {
        match self {
            Self::Live | Self::Held => ("Pause live updates", "#i-pause"),
            Self::Paused => ("Resume live updates", "#i-play"),
            Self::Still | Self::Stale => ("Reload now", "#i-retry"),
        }
    }
}

#[derive(Clone, Copy)]
struct Stamp {
    state: RwSignal<State>,
    as_of: RwSignal<(String, String)>,
    held: RwSignal<u32>,
    tries: RwSignal<u32>,
}

impl Stamp {
    fn note(self) -> String {
        match (self.state.get(), self.held.get(), self.tries.get()) {
            (State::Paused | State::Held, 0, _) => String::new(),
            (State::Paused | State::Held, 1, _) => " · 1 update held".to_owned(),
            (State::Paused | State::Held, held, _) => format!(" · {held} updates held"),
            (State::Stale, _, tries) => format!(" · reconnecting, try {tries}"),
            _ => String::new(),
        }
    }

    fn hinted(self) {
        match self.state.get_untracked() {
            State::Paused => self.held.update(|held| *held += 1),
            State::Held => {
                self.held.update(|held| *held += 1);
                ask_refresh();
            }
            _ => ask_refresh(),
        }
    }

    fn opened(self) {
        let was = self.state.get_untracked();
        self.tries.set(0);
        if matches!(was, State::Still | State::Stale) {
            self.state.set(State::Live);
        }
        if was == State::Stale {
            ask_refresh();
        }
    }

    fn broke(self) {
        self.tries.update(|tries| *tries += 1);
        if self.state.get_untracked() != State::Paused {
            self.state.set(State::Stale);
        }
    }

    fn refreshed(self, iso: String) {
        if let Some(clock) = iso.get(11..19) {
            self.as_of.set((iso.clone(), clock.to_owned()));
        }
        self.held.set(0);
        if matches!(self.state.get_untracked(), State::Held | State::Stale) {
            self.state.set(State::Live);
        }
    }

    fn pressed(self) {
        match self.state.get_untracked() {
            State::Live | State::Held => {
                self.state.set(State::Paused);
                tell_page("tidewatch:paused");
            }
            State::Paused => {
                self.state.set(State::Live);
                ask_refresh();
            }
            State::Still | State::Stale => reload(),
        }
    }
}

/// As-of stamp with its pause button.
#[island]
pub fn LiveIndicator(
    /// Path of the event stream.
    events: String,
    /// As of, ISO.
    iso: String,
    /// As of, `hh:mm:ss` UTC.
    clock: String,
) -> impl IntoView {
    let stamp = Stamp {
        state: RwSignal::new(State::Still),
        as_of: RwSignal::new((iso, clock)),
        held: RwSignal::new(0),
        tries: RwSignal::new(0),
    };
    Effect::new(move |_| {
        page_listen(stamp);
        stream_open(&events, stamp, RETRY_MS);
    });
    view! {
        <div class="asof" data-state=move || stamp.state.get().attribute()>
            <span class="dot"></span>
            <span>
                <b role="status">{move || stamp.state.get().word()}</b>
                " " <span class="wide-only">"as of "</span>
                <time datetime=move || stamp.as_of.get().0 title="UTC">{move || stamp.as_of.get().1}</time>
                <span class="wide-only">{move || stamp.note()}</span>
            </span>
            <button type="button" class="js-only" aria-label=move || stamp.state.get().button().0 on:click=move |_| stamp.pressed()>
                <svg class="icon" aria-hidden="true"><use href=move || stamp.state.get().button().1></use></svg>
            </button>
        </div>
    }
}

/// Opens the stream. The browser reconnects a broken one by itself; one that was refused is closed, and is opened again here.
fn stream_open(path: &str, stamp: Stamp, wait: u32) {
    let Ok(source) = EventSource::new(path) else {
        stamp.broke();
        return;
    };
    let opened = Closure::<dyn Fn()>::new(move || stamp.opened());
    let hinted = Closure::<dyn Fn()>::new(move || stamp.hinted());
    let broken = {
        let (source, path) = (source.clone(), path.to_owned());
        Closure::<dyn Fn()>::new(move || {
            stamp.broke();
            if source.ready_state() == EventSource::CLOSED {
                let path = path.clone();
                let next = (wait * 2).min(RETRY_MS_MAX);
                set_timeout(move || stream_open(&path, stamp, next), std::time::Duration::from_millis(u64::from(wait)));
            }
        })
    };
    source.set_onopen(Some(opened.as_ref().unchecked_ref()));
    source.set_onerror(Some(broken.as_ref().unchecked_ref()));
    let listening = source.add_event_listener_with_callback("hint", hinted.as_ref().unchecked_ref());
    if listening.is_err() {
        stamp.broke();
    }
    // They live as long as the page: a navigation drops both.
    opened.forget();
    hinted.forget();
    broken.forget();
}

fn page_listen(stamp: Stamp) {
    on_document("tidewatch:refreshed", move |event| stamp.refreshed(event.detail().as_string().unwrap_or_default()));
    on_document("tidewatch:held", move |_| {
        if stamp.state.get_untracked() == State::Live {
            stamp.state.set(State::Held);
        }
        stamp.held.update(|held| *held = (*held).max(1));
    });
    on_document("tidewatch:failed", move |_| stamp.broke());
}

pub(super) fn on_document(name: &str, handle: impl Fn(CustomEvent) + 'static) {
    let handle = Closure::<dyn Fn(CustomEvent)>::new(handle);
    // Only fails for a listener that is no function.
    let added = document().add_event_listener_with_callback(name, handle.as_ref().unchecked_ref());
    debug_assert!(added.is_ok());
    handle.forget();
}

fn ask_refresh() {
    tell_page("tidewatch:refresh");
}

fn tell_page(event: &str) {
    if let Ok(event) = web_sys::CustomEvent::new(event) {
        // `dispatch_event` says whether somebody cancelled it; nobody does.
        let _ = document().dispatch_event(&event);
    }
}

fn reload() {
    // Refused only while the document is being torn down.
    let _ = window().location().reload();
}

//! The palette: find a page, a device or the trace of an operation. Without JavaScript its button is a link to the page that does the same.

#![expect(missing_docs, reason = "the macro makes a type of the island, without documentation")]

use std::time::Duration;

use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsCast;

use super::live::on_document;
use crate::actions::palette::{PaletteHit, palette_search};

/// Pause in typing before the server is asked, milliseconds.
const TYPING_MS: u64 = 150;

/// A page the palette offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PalettePlace {
    /// Label.
    pub label: String,
    /// Address.
    pub href: String,
    /// Sprite name of its icon.
    pub icon: String,
}

#[derive(Clone, Copy)]
struct Search {
    typed: RwSignal<String>,
    found: RwSignal<Vec<PaletteHit>>,
    chosen: RwSignal<usize>,
    asked: RwSignal<u32>,
    failed: RwSignal<bool>,
}

impl Search {
    /// What is offered for what was typed: pages first when nothing or a page's name was typed, then what the server found.
    fn offers(self, places: &[PalettePlace], search_page: &str) -> Vec<PaletteHit> {
        let typed = self.typed.get();
        let wanted = typed.trim().to_lowercase();
        let mut offers: Vec<PaletteHit> = self.found.get();
        offers.extend(places.iter().filter(|place| place.label.to_lowercase().contains(&wanted)).map(PalettePlace::as_hit));
        offers.extend(theme_hits().into_iter().filter(|hit| hit.label.to_lowercase().contains(&wanted)));
        if self.failed.get() {
            offers.push(hit(
                "Could not search",
                "#i-retry",
                "Open the search page",
                "the server did not answer",
                &format!("{search_page}?q={}", js_sys_encode(&typed)),
            ));
        }
        offers
    }

    /// Asks the server after a pause in typing; an answer that a later question overtook is dropped.
    fn ask(self) {
        self.asked.update(|asked| *asked += 1);
        self.chosen.set(0);
        let (mine, typed) = (self.asked.get_untracked(), self.typed.get_untracked());
        if typed.trim().is_empty() {
            self.found.set(Vec::new());
            return;
        }
        let later = move || {
            if self.asked.get_untracked() == mine {
                leptos::task::spawn_local(async move {
                    let answer = palette_search(typed).await;
                    if self.asked.get_untracked() == mine {
                        // Of a failure nothing is found, and an offer of its own says so.
                        self.failed.set(answer.is_err());
                        self.found.set(answer.unwrap_or_else(|_| Vec::new()));
                    }
                });
            }
        };
        set_timeout(later, Duration::from_millis(TYPING_MS));
    }
}

impl PalettePlace {
    fn as_hit(&self) -> PaletteHit {
        hit("Go to", &self.icon, &self.label, "", &self.href)
    }
}

fn hit(group: &str, icon: &str, label: &str, note: &str, href: &str) -> PaletteHit {
    let [group, icon, label, note, href] = [group, icon, label, note, href].map(str::to_owned);
    PaletteHit { group, icon, tone: String::new(), label, note, href }
}

fn theme_hits() -> [PaletteHit; 3] {
    [("system", "as the system says"), ("light", ""), ("dark", "")]
        .map(|(theme, note)| hit("Do", "#i-theme", &format!("Theme: {theme}"), note, &format!("#theme-{theme}")))
}

fn js_sys_encode(text: &str) -> String {
    js_sys::encode_uri_component(text).into()
}

/// The dialog and its keys.
#[island]
pub fn Palette(
    /// Pages of this console.
    places: Vec<PalettePlace>,
    /// The page that does the same without a script.
    search_page: String,
) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    let search = Search {
        typed: RwSignal::new(String::new()),
        found: RwSignal::new(Vec::new()),
        chosen: RwSignal::new(0),
        asked: RwSignal::new(0),
        failed: RwSignal::new(false),
    };
    let offers = Memo::new(move |_| search.offers(&places, &search_page));
    Effect::new(move |_| {
        on_document("tidewatch:palette", move |_| open(dialog, search));
    });
    let keys = move |event: ev::KeyboardEvent| steer(&event, dialog, search, offers);
    view! {
        <dialog class="dialog palette" node_ref=dialog aria-label="Find or go to" on:keydown=keys on:click=move |event| close_outside(&event, dialog)>
            <div class="palette-input">
                <svg class="icon" aria-hidden="true"><use href="#i-search"></use></svg>
                <input
                    type="text" role="combobox" aria-label="Find or go to" aria-expanded="true" aria-controls="pal" aria-autocomplete="list" autocomplete="off"
                    spellcheck="false" maxlength="200" placeholder="A device, an operation id or a page"
                    aria-activedescendant=move || option_id(search.chosen.get())
                    prop:value=move || search.typed.get()
                    on:input=move |event| { search.typed.set(event_target_value(&event)); search.ask(); }
                />
                <kbd>"Esc"</kbd>
            </div>
            <Results search offers dialog/>
            <div class="palette-foot">
                <span><kbd>"↑"</kbd> " " <kbd>"↓"</kbd> " move"</span><span><kbd>"↵"</kbd> " open"</span><span class="end"><kbd>"?"</kbd> " legend"</span>
            </div>
        </dialog>
    }
}

#[component]
fn Results(search: Search, offers: Memo<Vec<PaletteHit>>, dialog: NodeRef<html::Dialog>) -> impl IntoView {
    let rows = move || {
        let all = offers.get();
        let mut last = String::new();
        all.into_iter()
            .enumerate()
            .map(|(at, hit)| {
                let heading = (hit.group != last).then(|| hit.group.clone());
                last.clone_from(&hit.group);
                let href = hit.href.clone();
                let icon = hit.icon.clone();
                view! {
                    {heading.map(|heading| view! { <h2 role="presentation">{heading}</h2> })}
                    <div
                        role="option" id=option_id(at) aria-selected=move || if search.chosen.get() == at { "true" } else { "false" }
                        on:click=move |_| go(&href, dialog) on:mousemove=move |_| search.chosen.set(at)
                    >
                        <span data-tone=hit.tone><svg class="icon" aria-hidden="true"><use href=icon></use></svg></span>
                        <span>{hit.label} " " <small>{hit.note}</small></span>
                    </div>
                }
            })
            .collect_view()
    };
    view! {
        <div class="palette-list" id="pal" role="listbox" aria-label="Results">
            {rows}
            {move || offers.get().is_empty().then(|| view! { <p class="palette-none" role="option" aria-disabled="true" aria-selected="false">"Nothing found. Try part of a device name, or a whole operation id."</p> })}
        </div>
    }
}

fn option_id(at: usize) -> String {
    format!("pal-{at}")
}

fn open(dialog: NodeRef<html::Dialog>, search: Search) {
    if let Some(dialog) = dialog.get_untracked().filter(|dialog| !dialog.open()) {
        search.typed.set(String::new());
        search.ask();
        // Refused only when it is open already or not in the document.
        let _ = dialog.show_modal();
    }
}

fn close_outside(event: &ev::MouseEvent, dialog: NodeRef<html::Dialog>) {
    let on_backdrop = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlDialogElement>().ok());
    if let (Some(_), Some(dialog)) = (on_backdrop, dialog.get_untracked()) {
        dialog.close();
    }
}

fn steer(event: &ev::KeyboardEvent, dialog: NodeRef<html::Dialog>, search: Search, offers: Memo<Vec<PaletteHit>>) {
    let count = offers.with_untracked(Vec::len);
    let chosen = search.chosen.get_untracked();
    match event.key().as_str() {
        "ArrowDown" if count > 0 => choose(search, (chosen + 1) % count),
        "ArrowUp" if count > 0 => choose(search, (chosen + count - 1) % count),
        "Enter" => {
            if let Some(hit) = offers.with_untracked(|offers| offers.get(chosen).cloned()) {
                go(&hit.href, dialog);
            }
        }
        _ => return,
    }
    event.prevent_default();
}

fn choose(search: Search, at: usize) {
    search.chosen.set(at);
    if let Some(option) = document().get_element_by_id(&option_id(at)) {
        option.scroll_into_view_with_bool(false);
    }
}

/// Follows an offer: a page by navigation, a theme through the page's script.
fn go(href: &str, dialog: NodeRef<html::Dialog>) {
    if let Some(dialog) = dialog.get_untracked() {
        dialog.close();
    }
    match href.strip_prefix("#theme-") {
        Some(theme) => tell_theme(theme),
        // Refused only for an address that does not parse; ours come from the server's own paths.
        None => drop(window().location().assign(href)),
    }
}

fn tell_theme(theme: &str) {
    let init = web_sys::CustomEventInit::new();
    init.set_detail(&wasm_bindgen::JsValue::from_str(theme));
    if let Ok(event) = web_sys::CustomEvent::new_with_event_init_dict("tidewatch:theme", &init) {
        let _ = document().dispatch_event(&event);
    }
}

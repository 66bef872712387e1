//! Lifeline: the stages of one thing in order. Hollow is still to come, dashed is waiting for the device.

use leptos::prelude::*;

/// State of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StageState {
    /// Behind us.
    Done,
    /// Where it is.
    Now,
    /// Waits for the device.
    Wait,
    /// Ended here.
    Failed,
    /// It must have happened, but nobody saw it.
    Unseen,
    /// Still to come.
    Ahead,
}

impl StageState {
    const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Done => Some("done"),
            Self::Now => Some("now"),
            Self::Wait | Self::Unseen => Some("wait"),
            Self::Failed => Some("failed"),
            Self::Ahead => None,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Now => "under way",
            Self::Wait => "waiting for the device",
            Self::Failed => "failed",
            Self::Unseen => "unseen",
            Self::Ahead => "still to come",
        }
    }
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Name.
    pub name: String,
    /// Second line: a time, a forecast.
    pub note: String,
    /// State.
    pub state: StageState,
}

/// Stages in order.
#[component]
pub fn Lifeline(
    /// Stages.
    stages: Vec<Stage>,
) -> impl IntoView {
    view! {
        <ol class="lifeline">
            {stages
                .into_iter()
                .map(|stage| {
                    view! {
                        <li data-state=stage.state.as_str()>
                            <b>{stage.name}<span class="sr-only">", " {stage.state.word()}</span></b>
                            <small>{stage.note}</small>
                        </li>
                    }
                })
                .collect_view()}
        </ol>
    }
    .into_any()
}

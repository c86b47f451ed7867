//! Whether there is to be a call: what remains of one that broke, and how often it is tried again.

use std::time::{Duration, Instant};

use crate::call::{Ending, Phase};

/// How long a far side that closed its end may take to come back before it has hung up: 4 s, twice what a page needs.
pub const RETURN_LIMIT: Duration = Duration::from_secs(4);
/// How often a call that does not come about is tried in a row.
pub const TRIES: u32 = 3;
/// How long the first repetition waits; the second twice as long: 1 s.
const RETRY: Duration = Duration::from_secs(1);

/// What the two want of their call, beyond what there is of it at the moment.
#[derive(Debug, Default)]
pub(super) struct Wish {
    /// A call was begun, and nobody hung it up.
    wanted: bool,
    /// It was up before.
    connected: bool,
    failures: u32,
    retry: Option<Instant>,
    return_by: Option<Instant>,
}

impl Wish {
    /// Whether a call is to be made as soon as it can be.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Whether a call that was up is missed.
    pub(super) fn is_lost(&self) -> bool {
        self.wanted && self.connected
    }

    /// Whether enough time has passed since the last failure.
    pub(super) fn may_try(&self) -> bool {
        self.retry.is_none()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.retry, self.return_by].into_iter().flatten().min()
    }

    /// The far side is there: it has come back, if it was away.
    pub(super) fn met(&mut self) {
        if self.return_by.take().is_some() {
            self.retry = None;
        }
    }

    /// A person hung up.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Whether a far side that closed its end has not come back in time; then nothing is wanted any more.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        if self.retry.is_some_and(|retry| retry <= now) {
            self.retry = None;
        }
        let is_over = self.return_by.is_some_and(|by| by <= now);
        if is_over {
            self.forget();
        }
        is_over
    }

    /// Takes note of how far the call has got; what a person is told of it.
    pub(super) fn note(&mut self, now: Instant, phase: Phase, ending: Option<Ending>) -> (Phase, Option<Ending>) {
        match phase {
            Phase::Idle => return (self.over(now, ending.as_ref()), ending),
            Phase::Connected => *self = Self { wanted: true, connected: true, ..Self::default() },
            Phase::Ending => self.forget(),
            Phase::Calling | Phase::Reconnecting => self.wanted = true,
            // The far side has answered, or asked: it is back.
            Phase::Connecting => (self.wanted, self.return_by) = (true, None),
        }
        let missed = self.connected && matches!(phase, Phase::Calling | Phase::Connecting);
        (if missed { Phase::Reconnecting } else { phase }, ending)
    }

    fn over(&mut self, now: Instant, ending: Option<&Ending>) -> Phase {
        match ending {
            Some(Ending::HungUp | Ending::FarHungUp) => self.forget(),
            Some(Ending::FarClosed) => {
                self.return_by = Some(now + RETURN_LIMIT);
                // That it was hung up may still be on its way, by the server.
                self.retry = Some(now + RETRY);
            }
            Some(Ending::FarGone) | None => {}
            Some(Ending::NoAnswer | Ending::NoConnection | Ending::FarFailed | Ending::Failed(_)) => {
                self.retry = Some(now + RETRY * 2_u32.pow(self.failures));
                self.failures += 1;
                if self.failures >= TRIES {
                    self.forget();
                }
            }
        }
        if self.is_lost() { Phase::Reconnecting } else { Phase::Idle }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn ending(words: &str) -> Ending {
        match words.split(' ').next() {
            Some("hung_up") => Ending::HungUp,
            Some("far_hung_up") => Ending::FarHungUp,
            Some("no_answer") => Ending::NoAnswer,
            Some("no_connection") => Ending::NoConnection,
            Some("far_gone") => Ending::FarGone,
            Some("far_closed") => Ending::FarClosed,
            Some("far_failed") => Ending::FarFailed,
            _ => Ending::Failed(words.into()),
        }
    }

    const PHASES: [(&str, Phase); 6] = [
        ("idle", Phase::Idle),
        ("calling", Phase::Calling),
        ("connecting", Phase::Connecting),
        ("connected", Phase::Connected),
        ("reconnecting", Phase::Reconnecting),
        ("ending", Phase::Ending),
    ];

    fn tell(wish: &mut Wish, now: Instant, input: &str) -> Value {
        match input {
            "expire" => return json!(wish.expire(now)),
            "met" => wish.met(),
            "forget" => wish.forget(),
            _ => {
                let (name, why) = input.split_once(": ").map_or((input, None), |(name, why)| (name, Some(ending(why))));
                let (_, phase) = PHASES.into_iter().find(|(other, _)| *other == name).expect("a phase");
                let (shown, _) = wish.note(now, phase, why);
                return json!(PHASES.into_iter().find(|(_, other)| *other == shown).expect("a phase").0);
            }
        }
        Value::Null
    }

    #[test]
    fn a_wish_goes_as_it_does_on_the_page() {
        let vectors = include_str!("../../tests/vectors/wish.json");
        let vectors: Value = serde_json::from_str(vectors).expect("JSON");
        for script in vectors["scripts"].as_array().expect("scripts") {
            let (mut wish, start) = (Wish::default(), Instant::now());
            for step in script["steps"].as_array().expect("steps") {
                let now = start + Duration::from_millis(step["at"].as_u64().expect("a time"));
                let shown = tell(&mut wish, now, step["input"].as_str().expect("an input"));
                let deadline = wish.deadline().map(|due| (due - start).as_millis() as u64);
                let done = json!({
                    "at": step["at"], "input": step["input"], "shown": shown, "wanted": wish.is_wanted(),
                    "lost": wish.is_lost(), "mayTry": wish.may_try(), "deadline": deadline,
                });
                assert_eq!(done, *step, "{}", script["name"]);
            }
        }
    }
}

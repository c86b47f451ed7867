//! Real pipelines between two sides in one process: test sources, loopback, no device and no display.

mod pair;

use std::time::Duration;

use pair::Pair;
use twocan::conversation::Gate;

#[test]
fn sound_passes_once_the_gate_opens() {
    let mut pair = Pair::connected();
    pair.set_gate(0, Gate::Open);
    pair.set_gate(1, Gate::Open);
    pair.hear(1, 440.0);
    pair.hear(0, 660.0);
}

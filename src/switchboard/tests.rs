//! Every sentence of the rendezvous protocol that the server has to keep.

use std::time::Duration;

use super::{
    said::{SAID_LIMIT, TEXT_COST},
    *,
};
use crate::rendezvous::MESSAGE_LIMIT;

/// A switchboard on a clock of its own, whose outputs read as text: `1: HELLO`, `1 ping`, `1 close 1000`.
pub(super) struct Board {
    pub(super) switchboard: Switchboard,
    pub(super) now: Instant,
}

impl Board {
    pub(super) fn new() -> Self {
        Self::limited(Limits::default())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant cannot be made from nothing; which one it is does not matter"
    )]
    pub(super) fn limited(limits: Limits) -> Self {
        Self { switchboard: Switchboard::new(limits, [7; 32]), now: Instant::now() }
    }

    pub(super) fn input(&mut self, id: u64, input: Input<'_>) -> Vec<String> {
        self.switchboard.handle(self.now, ConnectionId(id), input);
        self.drain()
    }

    pub(super) fn say(&mut self, id: u64, text: &str) -> Vec<String> {
        self.input(id, Input::Text(text))
    }

    /// Lets time pass, every deadline kept to the instant.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<String> {
        let end = self.now + time;
        let mut said = Vec::new();
        while let Some(deadline) = self.switchboard.deadline().filter(|&deadline| deadline <= end) {
            assert!(deadline >= self.now, "a deadline lies in the past");
            self.now = deadline;
            self.switchboard.handle_deadline(deadline);
            said.extend(self.drain());
        }
        self.now = end;
        said
    }

    fn drain(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.switchboard.poll_output()).map(|output| shown(&output)).collect()
    }

    /// Opens connections 1, 2 … registered as these uids.
    fn with(uids: &[&str]) -> Self {
        let mut board = Self::new();
        for (id, uid) in (1..).zip(uids) {
            board.input(id, Input::Opened(Dialect::Rendezvous(None)));
            assert_eq!(board.say(id, &format!("HELLO {uid}")), [format!("{id}: HELLO")]);
        }
        board
    }

    /// As [`Self::with`], and all of them in the room `tea`.
    fn with_room(uids: &[&str]) -> Self {
        let mut board = Self::with(uids);
        for id in 1..=uids.len() as u64 {
            board.say(id, "ROOM tea");
        }
        board
    }

    /// As [`Self::with`], the first two in a session.
    fn with_session(uids: &[&str]) -> Self {
        let mut board = Self::with(uids);
        assert_eq!(board.say(1, &format!("SESSION {}", uids[1])), ["1: SESSION_OK"]);
        board
    }
}

fn shown(output: &Output) -> String {
    match output {
        Output::Send { to, text, .. } => format!("{}: {text}", to.0),
        Output::Ping { to } => format!("{} ping", to.0),
        Output::Close { to, code, reason } => {
            format!("{} close {} {reason}", to.0, u16::from(*code)).trim_end().to_owned()
        }
    }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn anything_before_hello_is_invalid_protocol() {
    for text in ["", "hello a", "HELLOa", "HELLO\ta", "SESSION a", "ROOM tea", "{}"] {
        let mut board = Board::new();
        board.input(1, Input::Opened(Dialect::Rendezvous(None)));
        assert_eq!(board.say(1, text), ["1: ERROR invalid protocol", "1 close 1002 invalid protocol"], "{text:?}");
        assert_eq!(board.say(1, "HELLO a"), [""; 0], "a closed connection is not heard");
    }
}

#[test]
fn a_uid_is_one_word_of_at_most_256_bytes() {
    for uid in ["", " a", "a ", "a b", "a\u{2003}b", "a\n", "a\u{1}", &"x".repeat(257)] {
        let mut board = Board::new();
        board.input(1, Input::Opened(Dialect::Rendezvous(None)));
        assert_eq!(
            board.say(1, &format!("HELLO {uid}")),
            ["1: ERROR invalid peer uid", "1 close 1002 invalid peer uid"],
            "{uid:?}"
        );
    }
    Board::with(&["a", "ä:1", &"x".repeat(256)]);
}

#[test]
fn silence_is_closed_after_ten_seconds_and_registration_ends_the_wait() {
    let mut board = Board::with(&["a"]);
    board.input(2, Input::Opened(Dialect::Rendezvous(None)));
    assert_eq!(board.pass(secs(10) - Duration::from_nanos(1)), [""; 0]);
    assert_eq!(board.pass(Duration::from_nanos(1)), ["2 close 1002 hello timeout"]);
    assert_eq!(board.pass(secs(1000)), [""; 0]);
    assert_eq!(board.switchboard.deadline(), None);
}

#[test]
fn pings_do_not_put_off_the_hello_timeout() {
    let mut board = Board::new();
    board.input(1, Input::Opened(Dialect::Rendezvous(None)));
    board.pass(secs(9));
    board.input(1, Input::Frame);
    assert_eq!(board.pass(secs(1)), ["1 close 1002 hello timeout"]);
}

#[test]
fn binary_is_closed_with_1002_at_any_time() {
    let mut board = Board::with_session(&["a", "b", "c", "d"]);
    board.input(5, Input::Opened(Dialect::Rendezvous(None)));
    assert_eq!(board.input(5, Input::Binary), ["5 close 1002 invalid protocol"]);
    assert_eq!(board.input(3, Input::Binary), ["3 close 1002 invalid protocol"]);
    board.say(4, "ROOM tea");
    assert_eq!(board.input(4, Input::Binary), ["4 close 1002 invalid protocol"]);
    assert_eq!(board.input(1, Input::Binary), ["1 close 1002 invalid protocol", "2 close 1000"]);
}

#[test]
fn too_large_is_closed_with_1009() {
    let mut board = Board::with(&["a"]);
    assert_eq!(board.input(1, Input::TooLarge), ["1 close 1009 message too large"]);
    board.input(2, Input::Opened(Dialect::Rendezvous(None)));
    assert_eq!(board.input(2, Input::TooLarge), ["2 close 1009 message too large"]);
}

#[test]
fn a_taken_uid_is_refused_as_soon_as_the_holder_shows_any_life() {
    for life in [Input::Frame, Input::Text("SESSION x")] {
        let mut board = Board::with(&["a"]);
        board.input(2, Input::Opened(Dialect::Rendezvous(None)));
        assert_eq!(board.say(2, "HELLO a"), ["1 ping"]);
        assert_eq!(board.input(1, life)[..2], ["2: ERROR peer uid taken", "2 close 1002 invalid peer uid"]);
        assert_eq!(board.pass(secs(60)), [""; 0], "the holder is undisturbed");
        assert_eq!(board.say(1, "ROOM tea"), ["1: ROOM_OK "]);
    }
}

#[test]
fn a_half_dead_holder_is_dropped_after_three_seconds_and_the_newcomer_taken() {
    let mut board = Board::with_room(&["a", "b"]);
    board.input(3, Input::Opened(Dialect::Rendezvous(None)));
    board.say(3, "HELLO a");
    assert_eq!(board.pass(secs(3) - Duration::from_nanos(1)), [""; 0]);
    assert_eq!(
        board.pass(Duration::from_nanos(1)),
        ["1 close 1001 no sign of life", "2: ROOM_PEER_LEFT a", "3: HELLO"]
    );
    assert_eq!(board.say(3, "ROOM tea"), ["3: ROOM_OK b", "2: ROOM_PEER_JOINED a"]);
    assert_eq!(board.input(1, Input::Closed), [""; 0], "its late close evicts nobody");
    assert_eq!(board.say(3, "ROOM_PEER_LIST"), ["3: ROOM_PEER_LIST b"]);
}

#[test]
fn a_further_newcomer_is_refused_at_once_while_the_holder_is_asked() {
    let mut board = Board::with(&["a"]);
    board.input(2, Input::Opened(Dialect::Rendezvous(None)));
    board.input(3, Input::Opened(Dialect::Rendezvous(None)));
    board.say(2, "HELLO a");
    assert_eq!(board.say(3, "HELLO a"), ["3: ERROR peer uid taken", "3 close 1002 invalid peer uid"]);
    assert_eq!(board.pass(secs(3)), ["1 close 1001 no sign of life", "2: HELLO"]);
}

#[test]
fn a_holder_that_leaves_hands_its_uid_over_at_once() {
    let mut board = Board::with(&["a"]);
    board.input(2, Input::Opened(Dialect::Rendezvous(None)));
    board.say(2, "HELLO a");
    assert_eq!(board.input(1, Input::Closed), ["2: HELLO"]);
    assert_eq!(board.pass(secs(60)), [""; 0]);
}

#[test]
fn a_newcomer_that_leaves_calls_its_challenge_off() {
    let mut board = Board::with(&["a"]);
    board.input(2, Input::Opened(Dialect::Rendezvous(None)));
    board.say(2, "HELLO a");
    board.input(2, Input::Closed);
    assert_eq!(board.pass(secs(60)), [""; 0]);
    board.input(3, Input::Opened(Dialect::Rendezvous(None)));
    assert_eq!(board.say(3, "HELLO a"), ["1 ping"], "the next one asks anew");
}

#[test]
fn what_a_newcomer_says_while_it_waits_is_heard_when_it_is_taken() {
    let mut board = Board::with(&["a"]);
    board.input(2, Input::Opened(Dialect::Rendezvous(None)));
    board.say(2, "HELLO a");
    assert_eq!(board.say(2, "ROOM tea"), [""; 0]);
    assert_eq!(board.say(2, "ROOM_PEER_LIST"), [""; 0]);
    assert_eq!(board.pass(secs(3)), ["1 close 1001 no sign of life", "2: HELLO", "2: ROOM_OK ", "2: ROOM_PEER_LIST "]);
}

#[test]
fn a_waiting_newcomer_cannot_make_the_server_keep_more_than_one_message() {
    let mut board = Board::with(&["a"]);
    board.input(2, Input::Opened(Dialect::Rendezvous(None)));
    board.say(2, "HELLO a");
    assert_eq!(board.say(2, &"x".repeat(MESSAGE_LIMIT)), [""; 0]);
    assert_eq!(board.say(2, "x"), ["2: ERROR invalid protocol", "2 close 1002 invalid protocol"]);
    assert_eq!(board.pass(secs(60)), [""; 0], "and the holder is left alone");
}

#[test]
fn empty_messages_of_a_waiting_newcomer_count_too() {
    let mut board = Board::with(&["a"]);
    board.input(2, Input::Opened(Dialect::Rendezvous(None)));
    board.say(2, "HELLO a");
    let kept = (0..10_000).take_while(|_| board.say(2, "").is_empty()).count();
    assert_eq!(kept, SAID_LIMIT / TEXT_COST);
    assert_eq!(board.pass(secs(60)), [""; 0], "and it is closed");
}

/// A board with `a`, which resumes by 1, and `b` in a room, and a connection 3 that resumes by `other`.
fn with_resuming(other: Option<u128>) -> Board {
    let mut board = Board::new();
    for (id, resume) in [(1, Some(1)), (2, None), (3, other)] {
        board.input(id, Input::Opened(Dialect::Rendezvous(resume.map(Resume::from_bits).as_ref())));
    }
    for line in ["HELLO a", "ROOM tea"] {
        board.say(1, line);
        board.say(2, &line.replace(" a", " b"));
    }
    board
}

#[test]
fn who_resumes_by_the_same_as_the_holder_takes_over_at_once() {
    let mut board = with_resuming(Some(1));
    assert_eq!(board.say(3, "HELLO a"), ["1 close 1001 taken over", "2: ROOM_PEER_LEFT a", "3: HELLO"]);
    assert_eq!(board.say(3, "ROOM tea"), ["3: ROOM_OK b", "2: ROOM_PEER_JOINED a"]);
    assert_eq!(board.input(1, Input::Closed), [""; 0], "its late close evicts nobody");
    assert_eq!(board.pass(secs(60)), [""; 0]);
    assert_eq!(board.say(3, "ROOM_PEER_LIST"), ["3: ROOM_PEER_LIST b"]);
}

#[test]
fn who_resumes_by_another_or_by_nothing_waits_as_anybody() {
    for other in [None, Some(2)] {
        assert_eq!(with_resuming(other).say(3, "HELLO a"), ["1 ping"]);
    }
    let mut board = with_resuming(None);
    assert_eq!(board.say(3, "HELLO b"), ["2 ping"], "two that name nothing are not the same client");
}

#[test]
fn who_waits_for_a_uid_is_refused_when_its_holder_takes_over_from_itself() {
    let mut board = with_resuming(Some(1));
    board.input(4, Input::Opened(Dialect::Rendezvous(None)));
    assert_eq!(board.say(4, "HELLO a"), ["1 ping"]);
    let mut said = board.say(3, "HELLO a");
    assert_eq!(said.split_off(2), ["1 close 1001 taken over", "2: ROOM_PEER_LEFT a", "3: HELLO"]);
    assert_eq!(said, ["4: ERROR peer uid taken", "4 close 1002 invalid peer uid"]);
    assert_eq!(board.pass(secs(60)), [""; 0]);
}

#[test]
fn a_session_relays_every_text_verbatim() {
    let mut board = Board::with_session(&["a", "b"]);
    for text in ["{\"sdp\": 1}", "", " x ", "ROOM tea", "SESSION a", "HELLO b", "ROOM_PEER_LIST", "ERROR x", "\n"] {
        assert_eq!(board.say(1, text), [format!("2: {text}")]);
        assert_eq!(board.say(2, text), [format!("1: {text}")]);
    }
}

#[test]
fn a_callee_that_is_unknown_busy_or_oneself_is_refused_and_nobody_is_disturbed() {
    let mut board = Board::with_session(&["a", "b", "c", "d"]);
    board.say(4, "ROOM tea");
    board.input(5, Input::Opened(Dialect::Rendezvous(None)));
    for (callee, error) in [
        ("nobody", "ERROR peer 'nobody' not found"),
        ("", "ERROR peer '' not found"),
        ("a b", "ERROR peer 'a b' not found"),
        ("o'neil", "ERROR peer \"o'neil\" not found"),
        ("a", "ERROR peer 'a' busy"),
        ("b", "ERROR peer 'b' busy"),
        ("d", "ERROR peer 'd' busy"),
        ("c", "ERROR peer 'c' busy"),
    ] {
        assert_eq!(board.say(3, &format!("SESSION {callee}")), [format!("3: {error}")]);
    }
    assert_eq!(board.say(1, "still"), ["2: still"]);
    assert_eq!(board.say(3, "ROOM tea"), ["3: ROOM_OK d", "4: ROOM_PEER_JOINED c"], "the asker is idle as before");
}

#[test]
fn a_session_ends_for_both_at_once_and_after_all_that_was_said() {
    let mut board = Board::with_session(&["a", "b"]);
    let mut said = board.say(1, "bye");
    said.extend(board.input(1, Input::Closed));
    assert_eq!(said, ["2: bye", "2 close 1000"]);
    for (id, uid) in [(3, "a"), (4, "b")] {
        board.input(id, Input::Opened(Dialect::Rendezvous(None)));
        assert_eq!(board.say(id, &format!("HELLO {uid}")), [format!("{id}: HELLO")], "the uid is free");
    }
    assert_eq!(board.say(2, "late"), [""; 0]);
    assert_eq!(board.input(2, Input::Closed), [""; 0]);
}

#[test]
fn a_session_of_a_dropped_holder_ends_too() {
    let mut board = Board::with_session(&["a", "b"]);
    board.input(3, Input::Opened(Dialect::Rendezvous(None)));
    board.say(3, "HELLO a");
    assert_eq!(board.pass(secs(3)), ["1 close 1001 no sign of life", "2 close 1000", "3: HELLO"]);
}

#[test]
fn a_uid_asked_for_while_its_session_ends_goes_to_who_asked() {
    let mut board = Board::with_session(&["a", "b"]);
    board.input(3, Input::Opened(Dialect::Rendezvous(None)));
    board.say(3, "HELLO b");
    assert_eq!(board.input(1, Input::Closed), ["2 close 1000", "3: HELLO"]);
}

#[test]
fn whoever_is_idle_is_told_of_any_other_text_by_its_first_word() {
    let mut board = Board::with(&["a"]);
    for (text, word) in [
        ("", "''"),
        ("HELLO a", "'HELLO'"),
        ("SESSIONS a", "'SESSIONS'"),
        ("ROOM_PEER_LIST", "'ROOM_PEER_LIST'"),
        ("ROOM_PEER_MSG a x", "'ROOM_PEER_MSG'"),
        ("it's me", "\"it's\""),
        ("{\"sdp\": 1}", "'{\"sdp\":'"),
    ] {
        assert_eq!(board.say(1, text), [format!("1: ERROR invalid msg {word}")], "{text:?}");
    }
    assert_eq!(board.say(1, "ROOM tea"), ["1: ROOM_OK "], "and stays connected");
}

#[test]
fn a_room_tells_who_is_there_and_tells_them_who_came() {
    let mut board = Board::with(&["1", "2", "3"]);
    assert_eq!(board.say(1, "ROOM tea"), ["1: ROOM_OK "], "the trailing space stays");
    assert_eq!(board.say(1, "ROOM_PEER_LIST"), ["1: ROOM_PEER_LIST "], "here too");
    assert_eq!(board.say(2, "ROOM tea"), ["2: ROOM_OK 1", "1: ROOM_PEER_JOINED 2"]);
    assert_eq!(board.say(3, "ROOM tea"), ["3: ROOM_OK 1 2", "1: ROOM_PEER_JOINED 3", "2: ROOM_PEER_JOINED 3"]);
    assert_eq!(board.say(2, "ROOM_PEER_LIST"), ["2: ROOM_PEER_LIST 1 3"]);
}

#[test]
fn what_cannot_name_a_room_is_refused() {
    let mut board = Board::with(&["a"]);
    let long = "x".repeat(257);
    for room in ["session", "", " ", "a b", "a ", "a\u{a0}b", &long] {
        let quoted = room.replace('\u{a0}', "\\xa0");
        assert_eq!(board.say(1, &format!("ROOM {room}")), [format!("1: ERROR invalid room id '{quoted}'")]);
    }
    assert_eq!(board.say(1, "ROOM"), ["1: ERROR invalid room id ''"]);
    assert_eq!(board.say(1, &format!("ROOM {}", "x".repeat(256))), ["1: ROOM_OK "]);
}

#[test]
fn a_message_in_a_room_reaches_its_addressee_alone_and_to_the_byte() {
    let mut board = Board::with_room(&["a", "b", "c"]);
    for text in ["{}", "", " ", "  x ", "ROOM_PEER_LIST"] {
        assert_eq!(board.say(1, &format!("ROOM_PEER_MSG b {text}")), [format!("2: ROOM_PEER_MSG a {text}")]);
    }
    assert_eq!(board.say(1, "ROOM_PEER_MSG a me"), ["1: ROOM_PEER_MSG a me"], "also oneself");
}

#[test]
fn a_message_to_one_who_is_not_in_the_room_is_refused() {
    let mut board = Board::with(&["a", "b", "c"]);
    board.say(1, "ROOM tea");
    board.say(3, "ROOM coffee");
    assert_eq!(board.say(1, "ROOM_PEER_MSG x hi"), ["1: ERROR peer 'x' not found"]);
    assert_eq!(board.say(1, "ROOM_PEER_MSG  hi"), ["1: ERROR peer '' not found"]);
    assert_eq!(board.say(1, "ROOM_PEER_MSG b hi"), ["1: ERROR peer 'b' is not in the room"]);
    assert_eq!(board.say(1, "ROOM_PEER_MSG c hi"), ["1: ERROR peer 'c' is not in the room"]);
}

#[test]
fn any_other_text_in_a_room_is_refused() {
    let mut board = Board::with_room(&["a", "b"]);
    for text in ["", "ROOM coffee", "SESSION b", "HELLO a", "ROOM_PEER_LISTS", "ROOM_PEER_MSG", "ROOM_PEER_LIST "] {
        assert_eq!(board.say(1, text), ["1: ERROR invalid msg, already in room"], "{text:?}");
    }
    assert_eq!(board.say(1, "ROOM_PEER_LIST"), ["1: ROOM_PEER_LIST b"]);
}

#[test]
fn everyone_who_stays_hears_of_everyone_who_leaves() {
    let mut board = Board::with_room(&["a", "b", "c", "d"]);
    assert_eq!(board.input(2, Input::Closed), ["1: ROOM_PEER_LEFT b", "3: ROOM_PEER_LEFT b", "4: ROOM_PEER_LEFT b"]);
    assert_eq!(board.input(3, Input::Closed), ["1: ROOM_PEER_LEFT c", "4: ROOM_PEER_LEFT c"]);
    assert_eq!(board.input(1, Input::Closed), ["4: ROOM_PEER_LEFT a"]);
    assert_eq!(board.say(4, "ROOM_PEER_LIST"), ["4: ROOM_PEER_LIST "]);
}

#[test]
fn nothing_is_kept_of_those_who_left() {
    let mut board = Board::with_room(&["a", "b"]);
    board.input(3, Input::Opened(Dialect::Rendezvous(None)));
    board.say(3, "HELLO a");
    board.input(4, Input::Opened(Dialect::Rendezvous(Some(&Resume::from_bits(4)))));
    for id in [3, 1, 2, 4] {
        board.input(id, Input::Closed);
    }
    let Switchboard {
        connections,
        uids,
        rooms,
        timers,
        resumes,
        outputs,
        sessions,
        turned_away: _,
        workrooms: _,
        limits: _,
    } = &board.switchboard;
    assert!(connections.is_empty() && uids.is_empty() && rooms.is_empty() && timers.is_empty());
    assert!(resumes.is_empty() && outputs.is_empty() && *sessions == 0);
}

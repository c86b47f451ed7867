use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

struct Home {
    state: TempDir,
    bookmarks: Bookmarks,
}

impl Home {
    fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        let bookmarks = Bookmarks::open(state.path()).unwrap();
        Self { state, bookmarks }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.state.path().join("conversations").join(name)
    }

    fn json(&self, bits: u128) -> PathBuf {
        self.file(&format!("{}.json", id(bits)))
    }

    fn with(self, bits: u128, name: &str) -> Self {
        self.bookmarks.create(&bookmark(bits, name)).unwrap();
        self
    }

    fn names(&self) -> Vec<String> {
        self.bookmarks.list().unwrap().bookmarks.into_iter().map(|bookmark| bookmark.name.into()).collect()
    }

    fn troubles(&self) -> Vec<Trouble> {
        self.bookmarks.list().unwrap().troubles
    }
}

fn id(bits: u128) -> ConversationId {
    ConversationId::from_bits(bits)
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn bookmark(bits: u128, text: &str) -> Bookmark {
    Bookmark::new(id(bits), InstanceId::from_bits(bits), SecretKey::from_bytes([5; 32]), name(text), 100)
}

fn full(bits: u128, text: &str) -> Bookmark {
    Bookmark {
        far: Some(InstanceId::from_bits(9)),
        code: Some(Code { key: PairingKey::from_bytes([7; 32]), created: 101 }),
        far_key: Some(SecretKey::from_bytes([6; 32]).public()),
        spent: Some(PairingKey::from_bytes([8; 32]).spent()),
        server: Some("https://talk.example:8443".parse().unwrap()),
        last_talked: Some(102),
        ..bookmark(bits, text)
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_is_stored_is_read_again() {
    let home = Home::new();
    home.bookmarks.create(&full(1, "tim")).unwrap();
    let again = Bookmarks::open(home.state.path()).unwrap().list().unwrap();
    assert_eq!(again.bookmarks, [full(1, "tim")]);
    assert!(again.troubles.is_empty());
}

#[test]
fn the_file_is_what_is_documented() {
    let home = Home::new();
    home.bookmarks.create(&full(1, "tim")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&fs::read(home.json(1)).unwrap()).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "version": 2,
            "id": id(1).as_str(),
            "name": "tim",
            "own": InstanceId::from_bits(1).as_str(),
            "far": InstanceId::from_bits(9).as_str(),
            "code": { "key": PairingKey::from_bytes([7; 32]).reveal().as_str(), "created": 101 },
            "key": SecretKey::from_bytes([5; 32]).reveal().as_str(),
            "far_key": SecretKey::from_bytes([6; 32]).public().to_string(),
            "spent": PairingKey::from_bytes([8; 32]).spent().reveal().as_str(),
            "server": "https://talk.example:8443",
            "created": 100,
            "last_talked": 102,
        })
    );
}

#[test]
fn only_the_owner_can_read_folder_and_files() {
    let home = Home::new().with(1, "tim");
    let _claim = home.bookmarks.claim(&id(1)).unwrap();
    assert_eq!(mode(&home.file("")), 0o700);
    for entry in fs::read_dir(home.file("")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_folder_open_to_others_is_closed() {
    let home = Home::new();
    fs::set_permissions(home.file(""), Permissions::from_mode(0o755)).unwrap();
    Bookmarks::open(home.state.path()).unwrap();
    assert_eq!(mode(&home.file("")), 0o700);
}

#[test]
fn conversations_are_listed_by_name_and_found_by_name_or_id() {
    let home = Home::new().with(1, "Zoe").with(2, "anna").with(3, "Tim");
    assert_eq!(home.names(), ["anna", "Tim", "Zoe"]);
    let found = |wanted: &str| home.bookmarks.find(wanted).unwrap().0.map(|bookmark| bookmark.id);
    assert_eq!(found("ZOE"), Some(id(1)));
    assert_eq!(found(" tim "), Some(id(3)));
    assert_eq!(found(id(2).as_str()), Some(id(2)));
    assert_eq!(found("ti"), None);
}

#[test]
fn a_name_is_taken_once() {
    let home = Home::new().with(1, "tim").with(2, "anna");
    assert!(matches!(home.bookmarks.create(&bookmark(3, "TIM")), Err(BookmarkError::NameTaken(_))));
    assert!(matches!(home.bookmarks.rename(&id(2), name("Tim")), Err(BookmarkError::NameTaken(_))));
    assert_eq!(home.names(), ["anna", "tim"]);
    home.bookmarks.rename(&id(1), name("TIM")).unwrap();
    assert_eq!(home.names(), ["anna", "TIM"]);
}

#[test]
fn nobody_named_it_so_it_gets_the_next_free_name() {
    let home = Home::new();
    assert_eq!(home.bookmarks.free_name().unwrap().as_str(), "conversation");
    let home = home.with(1, "Conversation").with(2, "conversation 2");
    assert_eq!(home.bookmarks.free_name().unwrap().as_str(), "conversation 3");
}

#[test]
fn creating_never_replaces() {
    let home = Home::new().with(1, "tim");
    assert!(matches!(home.bookmarks.create(&bookmark(1, "anna")), Err(BookmarkError::Exists(_))));
    assert_eq!(home.names(), ["tim"]);
}

#[test]
fn two_processes_undo_nothing_of_each_other() {
    let home = Home::new().with(1, "tim");
    let other = Bookmarks::open(home.state.path()).unwrap();
    other.rename(&id(1), name("Timothy")).unwrap();
    let now = home.bookmarks.update(&id(1), |bookmark| bookmark.last_talked = Some(7)).unwrap();
    assert_eq!((now.name.as_str(), now.last_talked), ("Timothy", Some(7)));
}

#[test]
fn many_threads_change_one_conversation_without_losing_a_change() {
    let home = Home::new().with(1, "tim");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    home.bookmarks.update(&id(1), |bookmark| bookmark.created += 1).unwrap();
                }
            });
        }
    });
    assert_eq!(home.bookmarks.list().unwrap().bookmarks[0].created, 140);
}

#[test]
fn a_forgotten_key_is_not_on_the_disk() {
    let home = Home::new();
    home.bookmarks.create(&full(1, "tim")).unwrap();
    home.bookmarks.update(&id(1), |bookmark| bookmark.code = None).unwrap();
    let key = PairingKey::from_bytes([7; 32]).reveal();
    for entry in fs::read_dir(home.file("")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains(key.as_str()));
    }
}

#[test]
fn forgetting_leaves_nothing_and_touches_no_other() {
    let home = Home::new().with(1, "tim").with(2, "anna");
    drop(home.bookmarks.claim(&id(1)).unwrap());
    fs::write(home.file(&format!("{}.json.damaged-1", id(1))), "perhaps a key").unwrap();
    home.bookmarks.forget(&id(1)).unwrap();
    assert_eq!(home.names(), ["anna"]);
    let left = fs::read_dir(home.file("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(left.into_iter().all(|file| !file.contains(id(1).as_str())));
    assert!(matches!(home.bookmarks.forget(&id(1)), Err(BookmarkError::Unknown(_))));
    assert!(!home.file(&format!("{}.lock", id(1))).exists());
    let updated = home.bookmarks.update(&id(1), |bookmark| bookmark.last_talked = Some(7));
    assert!(matches!(updated, Err(BookmarkError::Unknown(_))), "a running conversation does not come back");
}

#[test]
fn a_conversation_is_open_once() {
    let home = Home::new().with(1, "tim").with(2, "anna");
    assert!(!home.bookmarks.is_open(&id(1)).unwrap());
    let claim = home.bookmarks.claim(&id(1)).unwrap();
    assert!(home.bookmarks.is_open(&id(1)).unwrap());
    assert!(matches!(home.bookmarks.claim(&id(1)), Err(BookmarkError::AlreadyOpen)));
    assert!(matches!(home.bookmarks.forget(&id(1)), Err(BookmarkError::AlreadyOpen)));
    assert!(home.bookmarks.claim(&id(2)).is_ok());
    drop(claim);
    assert!(home.bookmarks.claim(&id(1)).is_ok());
}

#[test]
fn looking_whether_it_is_open_never_stops_it_from_being_opened() {
    let home = Home::new().with(1, "tim");
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| (0..200).any(|_| home.bookmarks.is_open(&id(1)).is_err()));
        for _ in 0..200 {
            home.bookmarks.claim(&id(1)).unwrap();
        }
        assert!(!looking.join().unwrap());
    });
}

#[test]
fn a_damaged_file_is_set_aside_and_harms_no_other() {
    for damage in [
        &b""[..],
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{\"version\":1}",
        b"{\"version\":\"1\"}",
        &[b'x'; 100_000],
        format!("{{\"version\":1,\"id\":\"{}\",\"name\":\"\",\"own\":\"x\",\"created\":1}}", id(1)).as_bytes(),
    ] {
        let home = Home::new().with(1, "tim").with(2, "anna");
        fs::write(home.json(1), damage).unwrap();
        let listing = home.bookmarks.list().unwrap();
        assert_eq!(listing.bookmarks, [bookmark(2, "anna")]);
        let [Trouble::SetAside { aside, .. }] = listing.troubles.as_slice() else { panic!("{:?}", listing.troubles) };
        assert_eq!(fs::read(aside).unwrap(), damage, "kept to the byte");
        assert!(home.troubles().is_empty(), "told once");
    }
}

#[test]
fn a_file_under_the_wrong_name_is_set_aside() {
    let home = Home::new().with(1, "tim");
    fs::copy(home.json(1), home.json(2)).unwrap();
    assert!(matches!(home.troubles().as_slice(), [Trouble::SetAside { .. }]));
    assert_eq!(home.names(), ["tim"]);
}

#[test]
fn damage_is_never_written_over_by_later_damage() {
    let home = Home::new();
    for damage in ["one", "two", "three"] {
        fs::write(home.json(1), damage).unwrap();
        assert_eq!(home.troubles().len(), 1);
    }
    for (number, damage) in (1..).zip(["one", "two", "three"]) {
        let aside = home.file(&format!("{}.json.damaged-{number}", id(1)));
        assert_eq!(fs::read_to_string(aside).unwrap(), damage);
    }
}

#[test]
fn a_file_damaged_while_open_is_set_aside_and_not_written_over() {
    let home = Home::new().with(1, "tim");
    fs::write(home.json(1), "garbage").unwrap();
    let updated = home.bookmarks.update(&id(1), |bookmark| bookmark.last_talked = Some(7));
    assert!(matches!(updated, Err(BookmarkError::Trouble(Trouble::SetAside { .. }))), "{updated:?}");
    assert_eq!(fs::read_to_string(home.file(&format!("{}.json.damaged-1", id(1)))).unwrap(), "garbage");
}

#[test]
fn a_newer_files_conversation_is_left_alone() {
    let home = Home::new();
    let newer = r#"{"version":3,"everything":"else"}"#;
    fs::write(home.json(1), newer).unwrap();
    assert!(matches!(home.troubles().as_slice(), [Trouble::Newer { .. }]));
    assert!(matches!(home.bookmarks.create(&bookmark(1, "tim")), Err(BookmarkError::Exists(_))));
    assert_eq!(fs::read_to_string(home.json(1)).unwrap(), newer);
}

#[test]
fn what_a_later_version_added_survives_a_change() {
    let home = Home::new().with(1, "tim");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(home.json(1)).unwrap()).unwrap();
    json["colour"] = "green".into();
    fs::write(home.json(1), json.to_string()).unwrap();
    home.bookmarks.rename(&id(1), name("Tim")).unwrap();
    assert!(fs::read_to_string(home.json(1)).unwrap().contains("green"));
}

#[test]
fn a_symbolic_link_or_folder_in_place_of_a_file_is_left_alone() {
    let home = Home::new().with(3, "anna");
    let elsewhere = home.state.path().join("elsewhere");
    fs::write(&elsewhere, "precious").unwrap();
    symlink(&elsewhere, home.json(1)).unwrap();
    fs::create_dir(home.json(2)).unwrap();
    assert!(matches!(home.troubles().as_slice(), [Trouble::NotAFile { .. }, Trouble::NotAFile { .. }]));
    for bits in [1, 2] {
        let created = home.bookmarks.create(&bookmark(bits, "tim"));
        assert!(matches!(created, Err(BookmarkError::Exists(_))), "{created:?}");
    }
    assert_eq!(home.names(), ["anna"]);
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "precious");
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
    let state = tempfile::tempdir().unwrap();
    let blocked = state.path().join("file");
    fs::write(&blocked, "").unwrap();
    let error = Bookmarks::open(&blocked).unwrap_err();
    assert!(matches!(error, BookmarkError::Io { doing: "make", .. }), "{error}");
    assert!(error.to_string().contains("file/conversations"), "{error}");
}

#[test]
fn a_write_that_fails_keeps_the_old_file() {
    let home = Home::new().with(1, "tim");
    // A folder where the new content would be written stops the write, as a full disk would, for root too.
    fs::create_dir(home.file(&format!("{}.new", id(1)))).unwrap();
    let updated = home.bookmarks.rename(&id(1), name("Timothy"));
    assert!(matches!(updated, Err(BookmarkError::Io { doing: "write", .. })), "{updated:?}");
    assert_eq!(home.names(), ["tim"]);
}

#[test]
fn what_a_crash_left_half_written_does_no_harm() {
    let home = Home::new().with(1, "tim");
    fs::write(home.file(&format!("{}.new", id(1))), "{\"vers").unwrap();
    assert_eq!(home.names(), ["tim"]);
    home.bookmarks.rename(&id(1), name("Timothy")).unwrap();
    assert_eq!(home.names(), ["Timothy"]);
    assert_eq!(mode(&home.json(1)), 0o600);
}

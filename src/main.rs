//! The program.
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let arg = |name: &str| args.iter().position(|a| a == name).and_then(|at| args.get(at + 1)).cloned();
    let choice = |name: &str| arg(name).unwrap_or_default().parse().unwrap_or_default();
    let options = twocan::run::talk::Options {
        what: args.get(1).cloned(),
        server: arg("--server").map(|s| s.parse().unwrap()),
        listen: vec![[127, 0, 0, 1].into()],
        port: arg("--port").map_or(8443, |p| p.parse().unwrap()),
        state: arg("--state").unwrap_or("/tmp/twocan".into()).into(),
        media: twocan::media::Options { microphone: choice("--mic"), camera: choice("--camera"), speaker: choice("--speaker"), window: choice("--window"), ..Default::default() },
        face: if args.iter().any(|a| a == "--json") { twocan::screen::Face::Json } else { twocan::screen::Face::for_person() },
        started: std::time::Instant::now(),
    };
    if let Err(error) = twocan::rt::run(twocan::run::talk::talk(options)).unwrap() {
        println!("twocan: {error}");
    }
}

//! Builds anew when a file of the page comes or goes; the embedding itself only notices changes of those it knows.

fn main() {
    println!("cargo::rerun-if-changed=assets/page");
}

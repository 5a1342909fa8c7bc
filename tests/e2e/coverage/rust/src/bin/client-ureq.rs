// ureq over rustls, used as client.go is.
use std::io::Read;
use std::{env, fs};

fn main() {
    let args: Vec<String> = env::args().collect();
    let agent = ureq::Agent::new();
    for f in &args[2..] {
        let r = agent
            .post(&args[1])
            .set("Content-Type", "application/json")
            .send_bytes(&fs::read(f).unwrap());
        match r {
            Ok(r) | Err(ureq::Error::Status(_, r)) => {
                let code = r.status();
                let mut got = Vec::new();
                r.into_reader().read_to_end(&mut got).unwrap();
                println!("{} {}", code, got.len());
            }
            Err(e) => println!("0 {}", e),
        }
    }
}

// reqwest over native-tls, which is OpenSSL here; used as client.go is.
use std::{env, fs};

fn main() {
    let args: Vec<String> = env::args().collect();
    let client = reqwest::blocking::Client::new();
    for f in &args[2..] {
        let r = client
            .post(&args[1])
            .header("Content-Type", "application/json")
            .body(fs::read(f).unwrap())
            .send();
        match r {
            Ok(r) => {
                let code = r.status().as_u16();
                println!("{} {}", code, r.bytes().unwrap().len());
            }
            Err(e) => println!("0 {}", e),
        }
    }
}

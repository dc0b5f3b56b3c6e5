//! grantd inside another program: open it, serve it on a free port, get a token, stop.
//!
//! ```sh
//! cargo run --example embed -- embedded.db
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::error::Error;

use grantd::{App, Config, Listener, dev};

fn main() -> Result<(), Box<dyn Error>> {
    let database = std::env::args().nth(1).ok_or("name a database file: it is made when it does not exist")?;
    let config = Config { database: database.into(), listen: "127.0.0.1:0".to_owned(), ..Config::default() };

    // The master key is made beside the database. A product would keep it elsewhere: config.master_key_file.
    let app = App::open(config)?;
    // The sample of `grantd dev`; a product would make its own accounts through the admin API.
    let (client_id, client_secret) = dev::prepare(&app)?.client.ok_or("the sample's client was deleted")?;
    let listener = Listener::bind(app.config())?;
    let url = format!("http://{listener}");

    // Whatever this program does ends the server: here, dropping `stop`.
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = std::thread::spawn(move || {
        let stopped = async {
            let _ = stopped.await;
        };
        actix_web::rt::System::new().block_on(grantd::run(app, listener, stopped))
    });

    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &client_id),
        ("client_secret", client_secret.expose()),
        ("scope", "write"),
    ];
    let answer: serde_json::Value =
        ureq::post(format!("{url}/oauth2/token")).send_form(form)?.body_mut().read_json()?;
    println!("{}", answer["scope"]);

    drop(stop);
    server.join().map_err(|_| "the server thread ended in a panic")??;
    Ok(())
}

//! The token endpoint, through the real router.

use crate::app::{TestApp, claims};

#[test]
fn the_how_to_gets_its_token() {
    let app = TestApp::start();
    let howto = app.howto();
    let answer = app.token_for(&howto, &[("scope", "write")]).expect(200);
    assert_eq!(answer["scope"], "write");
    assert_eq!(answer["token_type"], "bearer");
    let claims = claims(answer["access_token"].as_str().unwrap());
    assert_eq!(claims["sub"], howto.account.as_str());
    assert_eq!(claims["aud"], "myrestapi");
    assert_eq!(claims["iss"], format!("{}/oauth2/", app.url));
}

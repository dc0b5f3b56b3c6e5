//! Programs that get a token, filled in: what one pastes to see it work.

use maud::{Markup, html};

use super::history::code_block;

/// What a program needs to know.
pub(crate) struct TokenCall<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) client_secret: &'a str,
    /// Separated by blanks.
    pub(crate) scope: &'a str,
    /// Names the API where more than one could be meant.
    pub(crate) resource: Option<&'a str>,
}

impl TokenCall<'_> {
    /// The parameters, in order.
    fn parameters(&self) -> Vec<(&'static str, &str)> {
        let mut all = vec![
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id),
            ("client_secret", self.client_secret),
            ("scope", self.scope),
        ];
        all.extend(self.resource.map(|resource| ("resource", resource)));
        all
    }

    /// `"name": "value"` and the like, one parameter a line. JSON's way of quoting is everybody's for these texts.
    fn lines(&self, line: impl Fn(&str, &str) -> String) -> String {
        self.parameters().iter().map(|(name, value)| line(name, &quoted(value))).collect()
    }

    fn curl(&self) -> String {
        let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:/".contains(&b));
        let parameter = |(name, value): (&str, &str)| {
            let flag = if is_plain(value) || name == "scope" && !value.contains(['@', '<', ';']) {
                "-F"
            } else {
                "--form-string"
            };
            let value = if is_plain(value) && name != "scope" { value.to_owned() } else { shell(value) };
            format!(" \\\n  {flag} {name}={value}")
        };
        let parameters: String = self.parameters().into_iter().map(parameter).collect();
        format!("curl -X POST {}{parameters}", self.endpoint)
    }

    fn python(&self) -> String {
        let lines = self.lines(|name, value| format!("    \"{name}\": {value},\n"));
        format!(
            "import json, urllib.parse, urllib.request\n\nform = urllib.parse.urlencode({{\n{lines}}}).encode()\n\
             with urllib.request.urlopen({}, form) as response:\n    print(json.load(response)[\"access_token\"])\n",
            quoted(self.endpoint)
        )
    }

    fn node(&self) -> String {
        let lines = self.lines(|name, value| format!("    {name}: {value},\n"));
        format!(
            "const response = await fetch({}, {{\n  method: \"POST\",\n  body: new URLSearchParams({{\n{lines}  }}),\n}});\n\
             console.log((await response.json()).access_token);\n",
            quoted(self.endpoint)
        )
    }

    fn go(&self) -> String {
        let lines = self.lines(|name, value| format!("\t\t\"{name}\": {{{value}}},\n"));
        format!(
            "package main\n\nimport (\n\t\"encoding/json\"\n\t\"fmt\"\n\t\"net/http\"\n\t\"net/url\"\n)\n\nfunc main() {{\n\
             \tresponse, err := http.PostForm({}, url.Values{{\n{lines}\t}})\n\tif err != nil {{\n\t\tpanic(err)\n\t}}\n\
             \tdefer response.Body.Close()\n\tvar token struct {{\n\t\tAccessToken string `json:\"access_token\"`\n\t}}\n\
             \tif err := json.NewDecoder(response.Body).Decode(&token); err != nil {{\n\t\tpanic(err)\n\t}}\n\
             \tfmt.Println(token.AccessToken)\n}}\n",
            quoted(self.endpoint)
        )
    }

    fn rust(&self) -> String {
        let lines = self.lines(|name, value| format!("        (\"{name}\", {value}),\n"));
        format!(
            "// cargo add ureq --features json && cargo add serde_json\nfn main() -> Result<(), Box<dyn std::error::Error>> {{\n    \
             let form = [\n{lines}    ];\n    let mut response = ureq::post({}).send_form(form)?;\n    \
             let token: serde_json::Value = response.body_mut().read_json()?;\n    println!(\"{{}}\", token[\"access_token\"]);\n    \
             Ok(())\n}}\n",
            quoted(self.endpoint)
        )
    }

    /// One of each, to choose from. It takes no script: each language is a radio button.
    pub(crate) fn render(&self) -> Markup {
        let programs = [
            ("curl", self.curl()),
            ("Python", self.python()),
            ("Node", self.node()),
            ("Go", self.go()),
            ("Rust", self.rust()),
        ];
        html! {
            fieldset.snippets {
                legend.sr { "Language" }
                @for (index, (language, code)) in programs.iter().enumerate() {
                    input.sr type="radio" name="snippet" id=(format!("snippet-{index}")) checked[index == 0];
                    label for=(format!("snippet-{index}")) { (language) }
                    div.snippet { (code_block(&format!("the {language} program"), code)) }
                }
            }
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// In single quotes, as a shell reads it.
fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> TokenCall<'static> {
        TokenCall {
            endpoint: "http://127.0.0.1:8420/oauth2/token",
            client_id: "id",
            client_secret: "gsec_x",
            scope: "read it's",
            resource: None,
        }
    }

    #[test]
    fn curl_is_the_how_tos() {
        insta::assert_snapshot!(TokenCall { scope: "write", ..call() }.curl(), @r"
        curl -X POST http://127.0.0.1:8420/oauth2/token \
          -F grant_type=client_credentials \
          -F client_id=id \
          -F client_secret=gsec_x \
          -F scope='write'
        ");
    }

    #[test]
    fn texts_are_quoted_as_each_language_wants() {
        let call = TokenCall { client_id: r#"a"b\c;@x"#, resource: Some("https://api.example/x?y"), ..call() };
        assert!(call.curl().contains(r"-F scope='read it'\''s'"), "{}", call.curl());
        assert!(call.curl().contains(r#"--form-string client_id='a"b\c;@x'"#), "{}", call.curl());
        assert!(call.curl().contains("--form-string resource='https://api.example/x?y'"));
        for program in [call.python(), call.node(), call.go(), call.rust()] {
            assert!(program.contains(r#""a\"b\\c;@x""#), "{program}");
            assert!(program.contains("resource"), "{program}");
        }
    }
}

//! From a type's source to the `Schema` implementation that writes its JSON Schema.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Error, Field, Fields, LitStr, Result, Variant};

/// `impl Schema for` the type.
pub(crate) fn implementation(item: &DeriveInput) -> Result<TokenStream> {
    let options = Options::read(&item.attrs, &["try_from", "from"])?;
    let own = match documentation(&item.attrs) {
        Some(text) => quote!(::core::option::Option::Some(description.unwrap_or(#text))),
        None => quote!(description),
    };
    let write = match (&options.source, &item.data) {
        (Some(source), _) => quote!(<#source as ::grantd_policy::Schema>::write(out, description);),
        (None, Data::Struct(data)) => {
            let body = object(&data.fields)?;
            quote!(::grantd_policy::schema::open(out, description); #body)
        }
        (None, Data::Enum(data)) => {
            let body = one_of(data.variants.iter())?;
            quote!(::grantd_policy::schema::open(out, description); #body)
        }
        (None, Data::Union(_)) => return Err(Error::new_spanned(item, "#[settings] goes before a struct or an enum")),
    };
    let name = &item.ident;
    Ok(quote! {
        impl ::grantd_policy::Schema for #name {
            fn write(out: &mut ::grantd_policy::schema::Text, description: ::core::option::Option<&'static str>) {
                let description = #own;
                #write
            }
        }
    })
}

/// The rest of an object's schema, its opening brace being written.
fn object(fields: &Fields) -> Result<TokenStream> {
    let Fields::Named(named) = fields else {
        return Err(Error::new_spanned(fields, "settings are JSON objects: a struct has named fields here"));
    };
    let mut pieces = Pieces::default();
    pieces.text(r#""type":"object","additionalProperties":false,"properties":{"#);
    let mut required = Vec::new();
    for (index, field) in named.named.iter().enumerate() {
        let options = Options::read(&field.attrs, &["default", "rename"])?;
        let name = options.rename.unwrap_or_else(|| camel_case(&field_name(field)));
        pieces.text(if index == 0 { "" } else { "," });
        pieces.text(&format!("{}:", quoted(&name)));
        pieces.schema_of(field);
        if !options.default && !is_option(field) {
            required.push(quoted(&name));
        }
    }
    pieces.text("}");
    if !required.is_empty() {
        pieces.text(&format!(r#","required":[{}]"#, required.join(",")));
    }
    pieces.text("}");
    Ok(pieces.finish())
}

/// The rest of an enum's schema: names where no variant has data, alternatives otherwise.
fn one_of<'a>(variants: impl Iterator<Item = &'a Variant> + Clone) -> Result<TokenStream> {
    let mut named = Vec::new();
    for variant in variants.clone() {
        let options = Options::read(&variant.attrs, &["rename"])?;
        named.push((options.rename.unwrap_or_else(|| lower_first(&variant.ident.to_string())), variant));
    }
    let mut pieces = Pieces::default();
    if named.iter().all(|(_, variant)| matches!(variant.fields, Fields::Unit)) {
        let names: Vec<String> = named.iter().map(|(name, _)| quoted(name)).collect();
        pieces.text(&format!(r#""enum":[{}]}}"#, names.join(",")));
        return Ok(pieces.finish());
    }
    pieces.text(r#""oneOf":["#);
    for (index, (name, variant)) in named.iter().enumerate() {
        pieces.text(if index == 0 { "" } else { "," });
        let name = quoted(name);
        if matches!(variant.fields, Fields::Unit) {
            pieces.text(&format!(r#"{{"const":{name}}}"#));
            continue;
        }
        pieces.text(&format!(
            r#"{{"type":"object","additionalProperties":false,"required":[{name}],"properties":{{{name}:"#
        ));
        match &variant.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => pieces.schema_of(&fields.unnamed[0]),
            fields => {
                pieces.text("{");
                pieces.code(object(fields)?);
            }
        }
        pieces.text("}}");
    }
    pieces.text("]}");
    Ok(pieces.finish())
}

/// Text that is ready, and calls that write the schemas of other types in between.
#[derive(Default)]
struct Pieces {
    code: TokenStream,
    text: String,
}

impl Pieces {
    fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn code(&mut self, code: TokenStream) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.code.extend(quote!(out.push_str(#text);));
        }
        self.code.extend(code);
    }

    fn schema_of(&mut self, field: &Field) {
        let ty = &field.ty;
        let description = match documentation(&field.attrs) {
            Some(text) => quote!(::core::option::Option::Some(#text)),
            None => quote!(::core::option::Option::None),
        };
        self.code(quote!(<#ty as ::grantd_policy::Schema>::write(out, #description);));
    }

    fn finish(mut self) -> TokenStream {
        self.code(TokenStream::new());
        self.code
    }
}

/// Those options of serde that the schema can tell.
#[derive(Default)]
struct Options {
    default: bool,
    rename: Option<String>,
    source: Option<syn::Type>,
}

impl Options {
    fn read(attributes: &[Attribute], allowed: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            attribute.parse_nested_meta(|meta| {
                let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
                if !allowed.contains(&name.as_str()) {
                    let allowed = allowed.join(", ");
                    return Err(
                        meta.error(format!("the schema of #[settings] cannot tell this; it knows {allowed} here"))
                    );
                }
                let text = if meta.input.peek(syn::Token![=]) { Some(meta.value()?.parse::<LitStr>()?) } else { None };
                match (name.as_str(), text) {
                    ("default", _) => options.default = true,
                    ("rename", Some(text)) => options.rename = Some(text.value()),
                    (_, Some(text)) => options.source = Some(text.parse()?),
                    (_, None) => return Err(meta.error("a value is missing")),
                }
                Ok(())
            })?;
        }
        Ok(options)
    }
}

/// The `///` lines as one JSON string.
fn documentation(attributes: &[Attribute]) -> Option<String> {
    let mut lines = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
        if let syn::Meta::NameValue(pair) = &attribute.meta
            && let syn::Expr::Lit(literal) = &pair.value
            && let syn::Lit::Str(text) = &literal.lit
        {
            lines.push(text.value().trim().to_owned());
        }
    }
    let text = lines.join(" ").trim().to_owned();
    (!text.is_empty()).then(|| quoted(&text))
}

fn field_name(field: &Field) -> String {
    field.ident.as_ref().map(ToString::to_string).unwrap_or_default().trim_start_matches("r#").to_owned()
}

/// serde takes a missing member of this type for `None`, by the type's name as here.
fn is_option(field: &Field) -> bool {
    matches!(&field.ty, syn::Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Option"))
}

/// `not_before` becomes `notBefore`, as serde does it.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_').filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| text + &word[..1].to_ascii_uppercase() + &word[1..])
}

fn lower_first(name: &str) -> String {
    name[..1].to_ascii_lowercase() + &name[1..]
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

//! Policy modules for tests: the well-behaved `hostile/base.wat`, with something changed, made into a component.
//!
//! They are written in WebAssembly text, since no language's tools would build most of them.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// One change to the well-behaved module: what the places of `base.wat` hold, and the contract it is built against.
#[derive(Clone)]
pub struct Twist {
    pub imports: &'static str,
    pub memory: &'static str,
    pub name: String,
    pub text: String,
    pub more: String,
    pub realloc: &'static str,
    pub describe: &'static str,
    pub validate: &'static str,
    pub evaluate: &'static str,
    pub interface: &'static str,
    pub wit: fn(&str) -> String,
}

impl Default for Twist {
    fn default() -> Self {
        Self {
            imports: "",
            memory: "2",
            name: "hostile".to_owned(),
            text: String::new(),
            more: String::new(),
            realloc: "(local.set $place (i32.and
                        (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
                        (i32.sub (i32.const 0) (local.get $align))))
                      (global.set $heap (i32.add (local.get $place) (local.get $bytes)))
                      (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
                        (then (drop (memory.grow (i32.add (i32.const 1)
                          (i32.div_u (local.get $bytes) (i32.const 65536)))))))
                      (local.get $place)",
            describe: "(call $manifest)",
            validate: "(i32.store8 (i32.const 3072) (i32.const 0)) (i32.const 3072)",
            evaluate: "(call $permit (local.get $request))",
            interface: "grantd:policy/evaluator@1.0.0",
            wit: str::to_owned,
        }
    }
}

impl Twist {
    pub fn core(&self) -> Vec<u8> {
        let places = [
            ("imports", self.imports.to_owned()),
            ("memory", self.memory.to_owned()),
            ("more", self.more.clone()),
            ("realloc", self.realloc.to_owned()),
            ("describe", self.describe.to_owned()),
            ("validate", self.validate.to_owned()),
            ("evaluate", self.evaluate.to_owned()),
            ("interface", self.interface.to_owned()),
            ("name", self.name.clone()),
            ("name-length", self.name.len().to_string()),
            ("text", escaped(self.text.as_bytes())),
            ("text-length", self.text.len().to_string()),
        ];
        // Twice, since what fills one place may hold another.
        let fill = |source: String| {
            places.iter().fold(source, |source, (place, value)| source.replace(&format!("{{{{{place}}}}}"), value))
        };
        let source = fill(fill(include_str!("../hostile/base.wat").to_owned()));
        wat::parse_str(&source).unwrap_or_else(|error| panic!("{error}\n{source}"))
    }

    pub fn component(&self) -> Vec<u8> {
        let mut core = self.core();
        let mut resolve = Resolve::default();
        let wit = (self.wit)(include_str!("../../../policies/wit/policy.wit"));
        let package = resolve.push_str("policy.wit", &wit).unwrap();
        let world = resolve.select_world(&[package], Some("policy")).unwrap();
        embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&core).unwrap().validate(true).encode().unwrap()
    }
}

/// Bytes as WebAssembly text writes them.
pub fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// A policy that permits everything, under this name.
pub fn harmless(name: &str) -> Vec<u8> {
    Twist { name: name.to_owned(), ..Twist::default() }.component()
}

/// A policy that burns about this many million units of fuel, and then permits everything.
pub fn slow(millions: u32) -> Vec<u8> {
    // Eight instructions each time round.
    let more = format!(
        "(func $burn (local $left i32) (local.set $left (i32.const {})) (loop $again
           (local.set $left (i32.sub (local.get $left) (i32.const 1))) (br_if $again (local.get $left))))",
        millions * 1_000_000 / 6
    );
    let evaluate = "(call $burn) (call $permit (local.get $request))";
    Twist { name: "slow".to_owned(), more, evaluate, ..Twist::default() }.component()
}

/// A policy that permits everything and is `bytes` long, padded with a section that means nothing.
pub fn padded_to(bytes: usize) -> Vec<u8> {
    let mut component = harmless("padded");
    // A custom section: its id, its length in five bytes, and a name of one byte.
    let padding = bytes.checked_sub(component.len() + 8).expect("larger than the module itself");
    component.push(0);
    component.extend(leb5(padding + 2));
    component.extend([1, b'x']);
    component.resize(bytes, 0);
    component
}

/// An unsigned LEB128 number in exactly five bytes.
fn leb5(number: usize) -> [u8; 5] {
    let byte = |index: usize| (number >> (7 * index)) as u8 & 0x7f;
    [byte(0) | 0x80, byte(1) | 0x80, byte(2) | 0x80, byte(3) | 0x80, byte(4)]
}

/// Adds a core module, and instances of it, to a component that is otherwise fine.
pub fn with_instances(wat: &str, count: usize) -> Vec<u8> {
    let mut component = harmless("crowded");
    let modules = sections(&component).filter(|id| *id == 1).count();
    let module = wat::parse_str(wat).unwrap();
    component.push(1);
    component.extend(leb5(module.len()));
    component.extend(module);
    // Each instance: instantiate (0) the module of this index, with no arguments.
    let instance = [[0].as_slice(), &leb5(modules), &[0]].concat();
    component.push(2);
    component.extend(leb5(5 + count * instance.len()));
    component.extend(leb5(count));
    component.extend(instance.repeat(count));
    component
}

/// The ids of a component's outer sections.
fn sections(component: &[u8]) -> impl Iterator<Item = u8> {
    let mut at = 8;
    std::iter::from_fn(move || {
        let id = *component.get(at)?;
        at += 1;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = component[at];
            at += 1;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        at += length;
        Some(id)
    })
}

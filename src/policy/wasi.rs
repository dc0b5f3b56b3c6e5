//! WASI for those who write policies: as much of it as a component needs that was built without stubs, so that its author
//! reads what it prints before it gives up. A server refuses every such import.
//!
//! What the guest writes to standard output and standard error is kept, within a bound. Time stands at 0, what is random
//! is 0, nothing is in the environment and there are no files: an answer stays a function of the request. Whatever else
//! it calls ends it.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, Resource, ResourceAny, ResourceType, Val};
use wasmtime::{Engine, Result, StoreContextMut, bail};

use super::guest::Guest;

/// The packages whose imports are filled here.
const PACKAGES: &str = "wasi:";
/// What one call may print.
const PRINTED_BYTES_MAX: usize = 64 * 1024;
/// What a guest may write at once, and draw of what is random.
const CHUNK_BYTES_MAX: u64 = 4096;
/// Standard input, output and error, as handles.
const STREAMS: [u32; 3] = [0, 1, 2];

/// What a guest printed in one call.
#[derive(Default)]
pub(super) struct Printed {
    bytes: Vec<u8>,
    left_out: usize,
}

impl Printed {
    fn write(&mut self, bytes: &[u8]) {
        let room = PRINTED_BYTES_MAX - self.bytes.len();
        let (kept, lost) = bytes.split_at(room.min(bytes.len()));
        self.bytes.extend_from_slice(kept);
        self.left_out += lost.len();
    }

    /// As text, with a line that says what is not in it.
    pub(super) fn into_text(self) -> String {
        let mut text = String::from_utf8_lossy(&self.bytes).into_owned();
        if self.left_out > 0 {
            text.push_str(&format!("\n({} more bytes are left out)", self.left_out));
        }
        text
    }
}

/// Whatever a handle of WASI's stands for.
struct Handle;

/// What a function of WASI's does with its arguments.
type Call = fn(&mut StoreContextMut<'_, Guest>, &[Val]) -> Result<Option<Val>>;

/// Whether an import is one that is filled here.
pub(super) fn is_filled(name: &str) -> bool {
    name.starts_with(PACKAGES)
}

/// A linker that fills the imports of a component as far as they are WASI's.
pub(super) fn linker(engine: &Engine, component: &Component) -> Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    for (name, import) in component.component_type().imports(engine) {
        let (true, ComponentItem::ComponentInstance(instance)) = (is_filled(name), &import.ty) else { continue };
        let interface = name.split_once('@').map_or(name, |(interface, _)| interface).to_owned();
        let mut filled = linker.instance(name)?;
        for (item, export) in instance.exports(engine) {
            match export.ty {
                ComponentItem::Resource(_) => {
                    filled.resource(item, ResourceType::host::<Handle>(), |_, _| Ok(()))?;
                }
                ComponentItem::ComponentFunc(_) => {
                    let function = format!("{interface}#{item}");
                    let call = call(function.strip_prefix(PACKAGES).unwrap_or_default());
                    filled.func_new(item, move |mut store, _, arguments, results| {
                        let Some(call) = call else { bail!("it called {function}, which is not there") };
                        if let (Some(answer), Some(place)) = (call(&mut store, arguments)?, results.first_mut()) {
                            *place = answer;
                        }
                        give_back(&mut store, arguments)
                    })?;
                }
                // Types need no filling; of anything else WASI has nothing.
                _ => {}
            }
        }
    }
    Ok(linker)
}

/// The function of that name, if it is one of those that are here.
fn call(name: &str) -> Option<Call> {
    Some(match name {
        "cli/stdin#get-stdin" => |store, _| handle(store, STREAMS[0]),
        "cli/stdout#get-stdout" => |store, _| handle(store, STREAMS[1]),
        "cli/stderr#get-stderr" => |store, _| handle(store, STREAMS[2]),
        "cli/environment#get-environment" | "cli/environment#get-arguments" | "filesystem/preopens#get-directories" => {
            |_, _| Ok(Some(Val::List(Vec::new())))
        }
        "cli/environment#initial-cwd"
        | "cli/terminal-stdin#get-terminal-stdin"
        | "cli/terminal-stdout#get-terminal-stdout"
        | "cli/terminal-stderr#get-terminal-stderr" => |_, _| Ok(Some(Val::Option(None))),
        "cli/exit#exit" | "cli/exit#exit-with-code" => |_, _| bail!("it ended itself (exit)"),
        "io/streams#[method]output-stream.check-write" => |_, _| Ok(Some(fine(Some(Val::U64(CHUNK_BYTES_MAX))))),
        "io/streams#[method]output-stream.write" | "io/streams#[method]output-stream.blocking-write-and-flush" => print,
        "io/streams#[method]output-stream.flush" | "io/streams#[method]output-stream.blocking-flush" => {
            |_, _| Ok(Some(fine(None)))
        }
        "io/streams#[method]input-stream.read" | "io/streams#[method]input-stream.blocking-read" => {
            |_, _| Ok(Some(Val::Result(Err(Some(Box::new(Val::Variant("closed".to_owned(), None)))))))
        }
        "io/streams#[method]output-stream.subscribe"
        | "io/streams#[method]input-stream.subscribe"
        | "clocks/monotonic-clock#subscribe-instant"
        | "clocks/monotonic-clock#subscribe-duration" => |store, _| handle(store, 0),
        "io/poll#[method]pollable.ready" => |_, _| Ok(Some(Val::Bool(true))),
        "io/poll#[method]pollable.block" => |_, _| Ok(None),
        "io/poll#poll" => poll,
        "clocks/monotonic-clock#now" | "random/random#get-random-u64" | "random/insecure#get-insecure-random-u64" => {
            |_, _| Ok(Some(Val::U64(0)))
        }
        "clocks/monotonic-clock#resolution" => |_, _| Ok(Some(Val::U64(1))),
        "clocks/wall-clock#now" | "clocks/wall-clock#resolution" => |_, _| {
            let members = [("seconds", Val::U64(0)), ("nanoseconds", Val::U32(0))];
            Ok(Some(Val::Record(members.map(|(name, value)| (name.to_owned(), value)).into())))
        },
        "random/insecure-seed#insecure-seed" => |_, _| Ok(Some(Val::Tuple(vec![Val::U64(0), Val::U64(0)]))),
        "random/random#get-random-bytes" | "random/insecure#get-insecure-random-bytes" => draw,
        _ => return None,
    })
}

/// Handles that a call was lent, or given, are done with.
fn give_back(store: &mut StoreContextMut<'_, Guest>, arguments: &[Val]) -> Result<()> {
    for argument in arguments {
        match argument {
            Val::Resource(handle) => handle.resource_drop(&mut *store)?,
            Val::List(all) => give_back(store, all)?,
            _ => {}
        }
    }
    Ok(())
}

fn fine(value: Option<Val>) -> Val {
    Val::Result(Ok(value.map(Box::new)))
}

fn handle(store: &mut StoreContextMut<'_, Guest>, which: u32) -> Result<Option<Val>> {
    let handle = ResourceAny::try_from_resource(Resource::<Handle>::new_own(which), store)?;
    Ok(Some(Val::Resource(handle)))
}

fn print(store: &mut StoreContextMut<'_, Guest>, arguments: &[Val]) -> Result<Option<Val>> {
    let Some(Val::List(list)) = arguments.get(1) else { bail!("it wrote what are no bytes") };
    let bytes: Vec<u8> =
        list.iter().filter_map(|value| if let Val::U8(byte) = value { Some(*byte) } else { None }).collect();
    store.data_mut().printed.write(&bytes);
    Ok(Some(fine(None)))
}

/// Nothing here has to be waited for.
fn poll(_: &mut StoreContextMut<'_, Guest>, arguments: &[Val]) -> Result<Option<Val>> {
    let Some(Val::List(waited)) = arguments.first() else { bail!("it waited for what is no list") };
    Ok(Some(Val::List((0..).take(waited.len()).map(Val::U32).collect())))
}

fn draw(_: &mut StoreContextMut<'_, Guest>, arguments: &[Val]) -> Result<Option<Val>> {
    match arguments.first() {
        Some(Val::U64(count @ 0..=CHUNK_BYTES_MAX)) => Ok(Some(Val::List((0..*count).map(|_| Val::U8(0)).collect()))),
        _ => bail!("it asked for more than {CHUNK_BYTES_MAX} random bytes at once"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_bounded() {
        let mut printed = Printed::default();
        printed.write("é\n".as_bytes());
        printed.write(&[0xff]);
        printed.write(&vec![b'x'; PRINTED_BYTES_MAX]);
        printed.write(b"more");
        let text = printed.into_text();
        assert!(text.starts_with("é\n\u{fffd}xx") && text.ends_with("x\n(8 more bytes are left out)"));
        assert!(text.len() < PRINTED_BYTES_MAX + 100);
    }
}

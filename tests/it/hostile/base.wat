;; A well-behaved policy: it permits what was offered. `tests/it/policy/modules.rs` fills the places in braces, and
;; turns the module into a component, so that each hostile module differs from this one in exactly one thing.
;;
;; Memory: 64 texts, 1024 the manifest, 2048 the decision, 3072 the result of validate-settings, 4096 a text of the
;; module at hand, 32768 and up what the host asks to be allocated.
(module
  {{imports}}
  (memory (export "memory") {{memory}})
  (global $heap (mut i32) (i32.const 32768))
  (data (i32.const 64) "{{name}}")
  (data (i32.const 192) "1.0.0")
  (data (i32.const 256) "{}")
  (data (i32.const 320) "denied")
  (data (i32.const 384) "write")
  (data (i32.const 448) "root")
  (data (i32.const 4096) "{{text}}")
  {{more}}

  ;; A bump allocator: a policy's memory lives for one call.
  (func (export "cabi_realloc")
    (param $old i32) (param $old_bytes i32) (param $align i32) (param $bytes i32) (result i32)
    (local $place i32)
    {{realloc}})

  ;; manifest { name, version, description, settings-schema, inputs: [] }
  (func $manifest (result i32)
    (memory.fill (i32.const 1024) (i32.const 0) (i32.const 40))
    (i32.store (i32.const 1024) (i32.const 64)) (i32.store (i32.const 1028) (i32.const {{name-length}}))
    (i32.store (i32.const 1032) (i32.const 192)) (i32.store (i32.const 1036) (i32.const 5))
    (i32.store (i32.const 1040) (i32.const 64)) (i32.store (i32.const 1044) (i32.const {{name-length}}))
    (i32.store (i32.const 1048) (i32.const 256)) (i32.store (i32.const 1052) (i32.const 2))
    (i32.const 1024))

  ;; permit { scopes: offered, ttl-seconds: none, claims: none, note: none }
  (func $permit (param $request i32) (result i32)
    (memory.fill (i32.const 2048) (i32.const 0) (i32.const 64))
    (i32.store (i32.const 2052) (i32.load offset=112 (local.get $request)))
    (i32.store (i32.const 2056) (i32.load offset=116 (local.get $request)))
    (i32.const 2048))

  ;; The same with other scopes: a list of (pointer, bytes).
  (func $permit_scopes (param $list i32) (param $length i32) (result i32)
    (drop (call $permit (i32.const 0)))
    (i32.store (i32.const 2052) (local.get $list))
    (i32.store (i32.const 2056) (local.get $length))
    (i32.const 2048))

  ;; The same with claims, or with a note.
  (func $permit_claims (param $request i32) (param $text i32) (param $bytes i32) (result i32)
    (drop (call $permit (local.get $request)))
    (i32.store8 (i32.const 2068) (i32.const 1))
    (i32.store (i32.const 2072) (local.get $text)) (i32.store (i32.const 2076) (local.get $bytes))
    (i32.const 2048))
  (func $permit_note (param $request i32) (param $text i32) (param $bytes i32) (result i32)
    (drop (call $permit (local.get $request)))
    (i32.store8 (i32.const 2080) (i32.const 1))
    (i32.store (i32.const 2084) (local.get $text)) (i32.store (i32.const 2088) (local.get $bytes))
    (i32.const 2048))

  ;; denial { code, reason: code }
  (func $deny (param $code i32) (param $bytes i32) (result i32)
    (i32.store8 (i32.const 2048) (i32.const 1))
    (i32.store (i32.const 2052) (local.get $code)) (i32.store (i32.const 2056) (local.get $bytes))
    (i32.store (i32.const 2060) (local.get $code)) (i32.store (i32.const 2064) (local.get $bytes))
    (i32.const 2048))

  ;; result<_, string>: refused, with this text.
  (func $refuse (param $text i32) (param $bytes i32) (result i32)
    (i32.store8 (i32.const 3072) (i32.const 1))
    (i32.store (i32.const 3076) (local.get $text)) (i32.store (i32.const 3080) (local.get $bytes))
    (i32.const 3072))

  (func (export "{{interface}}#describe") (result i32)
    {{describe}})
  (func (export "{{interface}}#validate-settings") (param $text i32) (param $bytes i32) (result i32)
    {{validate}})
  (func (export "{{interface}}#evaluate") (param $request i32) (result i32)
    (local $count i32)
    {{evaluate}})
)

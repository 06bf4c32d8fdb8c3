(module
  (type (;0;) (func (param i32) (result i32)))
  (type (;1;) (func))
  (import "host" "now" (func (type 1)))
  (import "host" "base" (global i32))
  (import "host" "more" (memory 1 2))
  (import "host" "calls" (table 1 funcref))
  (table (;1;) 1 4 funcref)
  (memory (;1;) 2 2)
  (global (;1;) (mut i64) (i64.const -1099511627776))
  (global (;2;) i32 (global.get 0))
  (export "memory" (memory 0))
  (export "gr\c3\b6\c3\9fer" (func $double_it))
  (start 2)
  (elem (i32.const 0) func $double_it 2)
  (func $double_it (type 0) (param i32) (result i32)
    (local v128 f64)
    v128.const i32x4 0x3fc00000 0x3fc00000 0x3fc00000 0x3fc00000
    local.set 1
    f64.const 0.1
    local.set 2
    local.get 0
    if
      loop
        call 2
        local.get 1
        i32x4.extract_lane 3
        br_if 0
      end
    end
    i32.const -70000
  )
  (func (;2;) (type 1)
  )
  (func $a__third__one (type 0) (param i32) (result i32)
    local.get 0
    br_table 0 0
  )
  (data (;0;) (i32.const 65536) "a\22\5c\00\ff")
  (data (;1;) "\01\02")
  ;; custom section "about", 2 bytes
  ;; custom section "about", 0 bytes
)

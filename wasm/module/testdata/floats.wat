(module
  (type (;0;) (func))
  (func $floats (type 0)
    f32.const 0
    drop
    f32.const -0
    drop
    f32.const 1e-45
    drop
    f32.const 0.1
    drop
    f32.const 3.4028235e+38
    drop
    f32.const inf
    drop
    f32.const -inf
    drop
    f32.const nan:0x400000
    drop
    f32.const -nan:0x200001
    drop
    f64.const 5e-324
    drop
    f64.const 0.1
    drop
    f64.const nan:0x8000000000000
    drop
    f64.const -inf
    drop
  )
)

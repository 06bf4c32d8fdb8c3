// TensorFlow.js on its WebAssembly backend, one thread. The backend has no kernel for the gradient of a convolution by its
// filters, and multiplies transposed matrices slowly; so both get the gradients that a user would write who knows that:
// the former as a convolution whose batch and channels are exchanged, the latter with the transposition as an operation of
// its own. Inference uses the fused operations.

import { loadScript } from "./script.js";

const packages = "/node_modules/@tensorflow";

export async function open(network) {
  await loadScript(`${packages}/tfjs/dist/tf.min.js`);
  await loadScript(`${packages}/tfjs-backend-wasm/dist/tf-backend-wasm.min.js`);
  const { tf } = window;
  tf.wasm.setWasmPaths(`${packages}/tfjs-backend-wasm/dist/`);
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  if (!(await tf.setBackend("wasm"))) throw new Error("the backend wasm does not start");
  if (!(await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT"))) throw new Error("its SIMD is not available");

  const { forward, variables } = build(tf, network);
  const optimizer = tf.train.sgd(0.001);
  const flat = network.layers[0].kind === "dense";
  const input = (batch) => {
    const shape = [batch.size, ...network.input];
    return flat
      ? tf.tensor2d(batch.values, [batch.size, batch.values.length / batch.size])
      : tf.tensor4d(batch.values, shape);
  };
  let cost;
  return {
    version: tf.version.tfjs,
    parameters: variables.reduce((sum, v) => sum + v.size, 0),
    train(batch) {
      cost?.dispose();
      cost = tf.tidy(() => {
        const labels = tf.oneHot(tf.tensor1d(batch.labels, "int32"), 10).toFloat();
        const x = input(batch);
        return optimizer.minimize(() => tf.losses.softmaxCrossEntropy(labels, forward(x, true)), true, variables);
      });
      return batch.size;
    },
    loss: async () => (await cost.data())[0],
    async infer(batch) {
      const scores = tf.tidy(() => tf.softmax(forward(input(batch), false)));
      const values = await scores.data();
      scores.dispose();
      return values;
    },
  };
}

function build(tf, network) {
  const variables = [];
  const variable = (initial) => {
    const v = tf.variable(initial);
    variables.push(v);
    return v;
  };
  const weight = (shape, fanIn) => variable(tf.randomNormal(shape, 0, Math.sqrt(2 / fanIn)));
  const activate = (x, relu) => (relu ? tf.relu(x) : x);

  const conv = (channels, { filters, kernel, stride, padding, bias, relu }, first) => {
    const w = weight([kernel, kernel, channels, filters], kernel * kernel * channels);
    const b = bias ? variable(tf.zeros([filters])) : undefined;
    const product = tf.customGrad((x, w, save) => {
      save([x, w]);
      const gradFunc = (dy, [x, w]) => [
        first ? tf.zerosLike(x) : tf.conv2dTranspose(dy, w, x.shape, stride, padding),
        tf.tidy(() => {
          const edge = [padding, padding];
          const images = tf.pad(tf.transpose(x, [3, 1, 2, 0]), [[0, 0], edge, edge, [0, 0]]);
          const dw = tf.conv2d(images, tf.transpose(dy, [1, 2, 0, 3]), 1, "valid", "NHWC", stride);
          return tf.transpose(tf.slice(dw, [0, 0, 0, 0], [channels, kernel, kernel, filters]), [1, 2, 0, 3]);
        }),
      ];
      return { value: tf.conv2d(x, w, stride, padding), gradFunc };
    });
    return (x, training) => {
      if (!training) {
        const activation = relu ? "relu" : "linear";
        return tf.fused.conv2d({ x, filter: w, strides: stride, pad: padding, bias: b, activation });
      }
      const y = product(x, w);
      return activate(b ? tf.add(y, b) : y, relu);
    };
  };

  const dense = (inputs, { units, relu }, first) => {
    const w = weight([inputs, units], inputs);
    const b = variable(tf.zeros([units]));
    const product = tf.customGrad((x, w, save) => {
      save([x, w]);
      const gradFunc = (dy, [x, w]) => [
        first ? tf.zerosLike(x) : tf.matMul(dy, tf.transpose(w)),
        tf.matMul(tf.transpose(x), dy),
      ];
      return { value: tf.matMul(x, w), gradFunc };
    });
    return (x, training) => {
      const rows = x.rank === 2 ? x : tf.reshape(x, [-1, inputs]);
      if (training) return activate(tf.add(product(rows, w), b), relu);
      return tf.fused.matMul({ a: rows, b: w, bias: b, activation: relu ? "relu" : "linear" });
    };
  };

  const norm = (channels, relu) => {
    const scale = variable(tf.ones([channels]));
    const offset = variable(tf.zeros([channels]));
    const mean = tf.variable(tf.zeros([channels]), false);
    const variance = tf.variable(tf.ones([channels]), false);
    const epsilon = 1e-5;
    const move = (average, value) => average.assign(tf.add(tf.mul(average, 0.9), tf.mul(value, 0.1)));
    return (x, training) => {
      if (!training) return activate(tf.batchNorm(x, mean, variance, offset, scale, epsilon), relu);
      const moments = tf.moments(x, [0, 1, 2]);
      move(mean, moments.mean);
      move(variance, moments.variance);
      return activate(tf.batchNorm(x, moments.mean, moments.variance, offset, scale, epsilon), relu);
    };
  };

  const chain = (steps) => (x, training) => steps.reduce((y, step) => step(y, training), x);

  let [height, width, channels] = network.input;
  const shrink = (kernel, stride, padding) => {
    height = Math.floor((height + 2 * padding - kernel) / stride) + 1;
    width = Math.floor((width + 2 * padding - kernel) / stride) + 1;
  };
  const block = ({ filters, stride }) => {
    const main = chain([
      conv(channels, { filters, kernel: 3, stride, padding: 1 }),
      norm(filters, true),
      conv(filters, { filters, kernel: 3, stride: 1, padding: 1 }),
      norm(filters),
    ]);
    const plain = stride === 1 && channels === filters;
    const side = plain ? (x) => x : chain([conv(channels, { filters, kernel: 1, stride, padding: 0 }), norm(filters)]);
    return (x, training) => tf.relu(tf.add(main(x, training), side(x, training)));
  };
  const layer = (l, first) => {
    switch (l.kind) {
      case "conv": {
        const f = conv(channels, l, first);
        shrink(l.kernel, l.stride, l.padding);
        channels = l.filters;
        return f;
      }
      case "pool":
        shrink(l.size, l.stride, l.padding);
        return (x) => tf.maxPool(x, l.size, l.stride, l.padding);
      case "norm":
        return norm(channels, l.relu);
      case "block": {
        const f = block(l);
        shrink(3, l.stride, 1);
        channels = l.filters;
        return f;
      }
      case "mean":
        height = 1;
        width = 1;
        return (x) => tf.mean(x, [1, 2]);
      case "dense": {
        const f = dense(height * width * channels, l, first);
        height = 1;
        width = 1;
        channels = l.units;
        return f;
      }
    }
    throw new Error(`no such layer: ${l.kind}`);
  };
  return { forward: chain(network.layers.map((l, i) => layer(l, i === 0))), variables };
}

// ConvNetJS: one example after the other in double precision, as its own trainer does it.

import { loadScript } from "./script.js";

export async function open(network) {
  await loadScript("/node_modules/convnetjs/build/convnet.js");
  const { Net, Trainer, Vol } = window.convnetjs;
  const [height, width, channels] = network.input;
  const layers = [{ type: "input", out_sx: width, out_sy: height, out_depth: channels }];
  for (const [i, l] of network.layers.entries()) {
    const activation = l.relu ? { activation: "relu" } : {};
    switch (l.kind) {
      case "conv":
        layers.push({
          type: "conv",
          sx: l.kernel,
          filters: l.filters,
          stride: l.stride,
          pad: l.padding,
          ...activation,
        });
        break;
      case "pool":
        layers.push({ type: "pool", sx: l.size, stride: l.stride, pad: l.padding });
        break;
      case "dense":
        if (i === network.layers.length - 1) layers.push({ type: "softmax", num_classes: l.units });
        else layers.push({ type: "fc", num_neurons: l.units, ...activation });
        break;
      default:
        throw new Error(`ConvNetJS has no layer for ${l.kind}`);
    }
  }
  const net = new Net();
  net.makeLayers(layers);
  const trainer = new Trainer(net, { method: "sgd", learning_rate: 0.001, momentum: 0, batch_size: network.batch });
  const elements = height * width * channels;
  const volume = (batch, i) => {
    const v = new Vol(width, height, channels, 0);
    v.w.set(batch.values.subarray(i * elements, (i + 1) * elements));
    return v;
  };
  let loss = Number.NaN;
  return {
    version: "0.3.0",
    parameters: net.getParamsAndGrads().reduce((sum, p) => sum + p.params.length, 0),
    train(batch) {
      let sum = 0;
      for (let i = 0; i < batch.size; i++) sum += trainer.train(volume(batch, i), batch.labels[i]).cost_loss;
      loss = sum / batch.size;
      return batch.size;
    },
    loss: () => loss,
    infer(batch) {
      const scores = [];
      for (let i = 0; i < batch.size; i++) scores.push(...net.forward(volume(batch, i), false).w);
      return scores;
    },
  };
}

// Verifying: every stored byte against its digest, then the stored parameters against the claims. Accuracies are counted
// here, from predict, which sees no target.

import type { BlobRef } from "../../core/blobs.ts";
import type { Result, Role } from "../../core/documents.ts";
import { blobOf, type OpenClosure, openClosure, openDataset } from "../../core/plan.ts";
import { predictionsOf } from "../../core/records.ts";
import { countCorrect, type Predictions } from "../../core/replica.ts";
import { Run } from "../../core/run.ts";
import { confusionMatrix, worstMistakes } from "./confusion.ts";
import { Meter } from "./meter.ts";
import type { ClaimCheck, Classification, DigestCheck, VerifyOutcome } from "./protocol.ts";
import { checkBlobs, Findings, storedDigests, type Work } from "./work.ts";

const mostMistakes = 24;

export async function verify(work: Work): Promise<VerifyOutcome> {
  const findings = new Findings();
  const verification = new Verification(work, findings);
  await findings.during(() => verification.run());
  const { opened, digests, claims, classification } = verification;
  return {
    mode: "verify",
    foreign: opened?.closure.foreign ?? false,
    engine: opened?.closure.engine ?? work.closure,
    seconds: work.gate.seconds,
    ...findings.outcome,
    digests,
    // A claim that nothing was computed for is told as such.
    claims: opened?.closure.results.map((claim, i) => claims[i] ?? { claim }) ?? [],
    ...(classification && { classification }),
  };
}

class Verification {
  opened: OpenClosure | undefined;
  readonly digests: DigestCheck[] = [];
  readonly claims: ClaimCheck[] = [];
  classification: Classification | undefined;
  readonly #work: Work;
  readonly #findings: Findings;
  readonly #predictions = new Map<Role, Predictions>();

  constructor(work: Work, findings: Findings) {
    this.#work = work;
    this.#findings = findings;
  }

  async run(): Promise<void> {
    const { closure: digest, blobs, gate, post } = this.#work;
    post({ type: "phase", phase: "documents" });
    this.opened = await openClosure(blobs, digest);
    const { closure, plan } = this.opened;

    post({ type: "phase", phase: "bytes" });
    await checkBlobs(this.#work, this.#findings, [...closure.files.map(blobOf), ...this.#shards()]);
    if (this.#findings.damaged.length > 0) return;

    post({ type: "phase", phase: "engine" });
    const stored = await storedDigests(blobs, closure);
    this.digests.push(
      { what: "the parameters", claimed: closure.parameters, observed: stored.parameters },
      { what: "the run (parameters and state)", claimed: closure.run, observed: stored.run },
    );
    const run = await Run.open(plan, this.#work.replicas, gate.pass);
    await run.install();

    post({ type: "phase", phase: "claims" });
    for (const claim of closure.results) this.claims.push(await this.#claim(run, claim));
    await this.#classify();
  }

  /** Of the splits that claims are about. The others are checked when a replay reads them. */
  #shards(): BlobRef[] {
    const { closure, plan } = this.opened as OpenClosure;
    const roles = new Set(closure.results.map((claim) => this.#role(claim)));
    return Object.entries(plan.records)
      .filter(([role]) => roles.has(role as Role))
      .flatMap(([, records]) => records.shards.map(({ path, sha256, size }) => ({ path, digest: sha256, size })));
  }

  #role(claim: Result): Role | undefined {
    const { datasets } = (this.opened as OpenClosure).closure;
    return datasets.find((d) => d.digest === claim.dataset && d.split === claim.split)?.role;
  }

  async #claim(run: Run, claim: Result): Promise<ClaimCheck> {
    const role = this.#role(claim);
    if (role === undefined) return { claim };
    const plan = run.plan.records[role];
    const total = plan?.records ?? 0;
    const meter = new Meter(this.#work.gate, "claims", "records", total, (progress) =>
      this.#work.post({ type: "progress", progress }),
    );
    const progress = (done: number) => meter.reached(done);
    if (claim.metric === "accuracy") {
      if (!run.isBlind(role)) return { claim };
      const predictions = this.#predictions.get(role) ?? (await run.classify(role, progress));
      this.#predictions.set(role, predictions);
      return { claim, observed: { correct: countCorrect(predictions), total: predictions.expected.length } };
    }
    const { loss } = await run.measure(role, progress);
    const predictions = plan === undefined ? 0 : total * predictionsOf(plan.layout.target);
    return { claim, observed: { total: predictions, ...(loss !== undefined && { sum: loss }) } };
  }

  /** Looks closer at the split of the first accuracy. */
  async #classify(): Promise<void> {
    const { blobs, replicas } = this.#work;
    const { closure, plan } = this.opened as OpenClosure;
    const [first] = this.#predictions;
    const [replica] = replicas;
    if (first === undefined || replica === undefined) return;
    const [role, predictions] = first;
    const records = plan.records[role];
    const source = closure.datasets.find((d) => d.role === role);
    if (records === undefined || source === undefined) return;
    const { classes = [], features = [] } = await openDataset(blobs, source.digest);
    // Of records with several predictions none is shown as a mistake.
    const worst = predictionsOf(records.layout.target) === 1 ? worstMistakes(predictions, mostMistakes) : [];
    const inputs = await replica.inputs(role, worst);
    const size = inputs.length / Math.max(1, worst.length);
    this.classification = {
      split: records.split,
      classes,
      features,
      matrix: confusionMatrix(predictions, classes.length),
      layout: records.layout,
      mistakes: worst.map((index, i) => ({
        index,
        expected: predictions.expected[index] as number,
        predicted: predictions.predicted[index] as number,
        confidence: predictions.confidence[index] as number,
        support: predictions.support[index] as number,
        input: inputs.slice(i * size, (i + 1) * size),
      })),
    };
  }
}

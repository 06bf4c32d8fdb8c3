// The entry of a participant's thread. It owns the connection, the data and the merging; engines run in further workers.

import { HttpBlobs } from "../../core/blobs.ts";
import { subprotocol } from "../../core/wire.ts";
import { encodeFailure } from "../protocol.ts";
import type { Socket } from "./connection.ts";
import { Participant, type Surroundings } from "./participant.ts";
import type { Command, Message, ParticipantState } from "./protocol.ts";
import { heartbeat, isOver } from "./protocol.ts";
import { spawnMember } from "./spawn.ts";

/** Milliseconds between two reports, but for changes that people wait for. */
const interval = 100;

let participant: Participant | undefined;
let told: ParticipantState | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;

function post(message: Message): void {
  self.postMessage(message);
}

function tell(): void {
  clearTimeout(timer);
  timer = undefined;
  told = participant?.state;
  if (told) post({ type: "state", state: told });
}

const around: Surroundings = {
  dial: (address) => new WebSocket(address, subprotocol) as unknown as Socket,
  spawn: spawnMember,
  blobs: (address) => new HttpBlobs(address),
  shared: globalThis.crossOriginIsolated && typeof SharedArrayBuffer === "function",
  changed: (state) => {
    if (state.phase !== told?.phase || state.resting !== told.resting || isOver(state)) tell();
    else timer ??= setTimeout(tell, interval);
  },
  random: Math.random,
};

self.addEventListener("message", ({ data: command }: MessageEvent<Command>) => {
  switch (command.type) {
    case "join":
      setInterval(() => post({ type: "alive" }), heartbeat);
      participant ??= new Participant(command.order, around);
      void participant.run().then(tell);
      return;
    case "rest":
      participant?.rest(command.reason);
      return;
    case "workers":
      void participant?.workers(command.workers);
      return;
    case "leave":
      participant?.leave();
      return;
    case "ask": {
      const { id, question } = command;
      participant?.ask(question).then(
        (value) => post({ type: "reply", id, value }),
        (thrown: unknown) => post({ type: "reply", id, failure: encodeFailure(thrown) }),
      );
    }
  }
});

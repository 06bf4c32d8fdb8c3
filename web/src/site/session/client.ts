// The part of the service's interface that is about sessions.

import type { Api } from "../api/client.ts";
import type {
  SessionCommand,
  SessionDetail,
  SessionList,
  SessionPoint,
  SessionRequest,
  SessionStarted,
} from "./types.ts";

export function listSessions(api: Api, signal?: AbortSignal): Promise<SessionList> {
  return api.get("sessions", {}, signal);
}

export function readSession(api: Api, id: string, signal?: AbortSignal): Promise<SessionDetail> {
  return api.get(pathOf(id), {}, signal);
}

/** Points of the curve, thinned to about so many. */
export function readPoints(
  api: Api,
  id: string,
  points: number,
  signal?: AbortSignal,
): Promise<{ readonly points: readonly SessionPoint[] }> {
  return api.get(`${pathOf(id)}/curve`, { points }, signal);
}

/** A token is needed where the server wants one. */
export function startSession(api: Api, request: SessionRequest, token: string): Promise<SessionStarted> {
  return api.post("sessions", request, token);
}

export function commandSession(api: Api, id: string, command: SessionCommand, secret: string): Promise<SessionDetail> {
  return api.post(`${pathOf(id)}/commands`, command, secret);
}

function pathOf(id: string): string {
  return `sessions/${encodeURIComponent(id)}`;
}

/** Absolute address of a session, below which its socket is. */
export function sessionAddress(id: string): string {
  return new URL(`/api/v1/${pathOf(id)}`, location.href).href;
}

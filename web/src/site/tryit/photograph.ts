// Pictures from files and cameras, as rasters.

import { Failure, messageOf } from "../../core/failure.ts";
import type { Raster } from "./raster.ts";
import { mostPixels } from "./shrink.ts";

const mostBytes = 50_000_000;

/** Decodes a file, upright as its EXIF orientation says. */
export async function fromFile(file: Blob): Promise<Raster> {
  if (file.size > mostBytes) {
    throw new Failure(
      "invalid",
      `The file has ${Math.round(file.size / 1e6)} MB; at most ${mostBytes / 1e6} MB are read. Choose a smaller picture`,
    );
  }
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch (cause) {
    throw new Failure("invalid", "This file is no picture that the browser can read. Choose a JPEG, PNG, GIF or WebP", {
      cause,
    });
  }
  return fromBitmap(bitmap);
}

/** Takes what a camera shows now. */
export async function fromVideo(video: HTMLVideoElement): Promise<Raster> {
  return fromBitmap(await createImageBitmap(video));
}

function fromBitmap(bitmap: ImageBitmap): Promise<Raster> {
  const { width, height } = bitmap;
  if (width * height > mostPixels) {
    bitmap.close();
    throw new Failure(
      "invalid",
      `The picture has ${width} × ${height} pixels; at most ${mostPixels / 1e6} million are read. Choose a smaller one`,
    );
  }
  const thread = new Worker(new URL("./shrinkEntry.ts", import.meta.url), { type: "module", name: "shrink" });
  return new Promise<Raster>((resolve, reject) => {
    thread.addEventListener("message", (event: MessageEvent<Raster>) => resolve(event.data));
    thread.addEventListener("error", (event) =>
      reject(
        new Failure(
          "unsupported",
          `This browser could not read the picture's pixels (${event.message ?? "no reason given"}). Draw instead`,
        ),
      ),
    );
    thread.postMessage(bitmap, [bitmap]);
  }).finally(() => thread.terminate());
}

/** Asks for the camera. */
export async function openCamera(): Promise<MediaStream> {
  if (navigator.mediaDevices?.getUserMedia === undefined) {
    throw new Failure(
      "unsupported",
      "This browser gives pages no camera (one reason is a page that is not served over https). Choose a file instead",
    );
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (cause) {
    throw new Failure("unsupported", `The camera cannot be used: ${reason(cause)}. Choose a file instead`, { cause });
  }
}

function reason(thrown: unknown): string {
  const name = thrown instanceof DOMException ? thrown.name : "";
  if (name === "NotAllowedError") return "the permission was not given";
  if (name === "NotFoundError") return "there is none";
  if (name === "NotReadableError") return "another program uses it";
  return messageOf(thrown);
}

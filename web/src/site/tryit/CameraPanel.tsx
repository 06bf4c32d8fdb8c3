import { useEffect, useRef, useState } from "react";
import { messageOf } from "../../core/failure.ts";
import { Button } from "../ui/Button.tsx";
import { fromVideo, openCamera } from "./photograph.ts";
import type { Raster } from "./raster.ts";

interface Props {
  readonly onPicture: (raster: Raster) => void;
  readonly onClose: () => void;
  readonly onProblem: (text: string) => void;
}

/** The camera, for as long as it is shown. It is asked for when this appears, which only a click does. */
export function CameraPanel({ onPicture, onClose, onProblem }: Props) {
  const video = useRef<HTMLVideoElement>(null);
  const [running, setRunning] = useState(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the camera is asked for once.
  useEffect(() => {
    let stream: MediaStream | undefined;
    let closed = false;
    openCamera().then(
      (opened) => {
        stream = opened;
        if (closed) return stop(opened);
        if (video.current) video.current.srcObject = opened;
        setRunning(true);
      },
      (thrown: unknown) => {
        if (!closed) onProblem(`${messageOf(thrown)}.`);
      },
    );
    return () => {
      closed = true;
      stop(stream);
    };
  }, []);
  const take = () => {
    if (!video.current) return;
    fromVideo(video.current).then(onPicture, (thrown: unknown) => onProblem(`${messageOf(thrown)}.`));
  };
  return (
    <div className="stack">
      <video className="pad" ref={video} autoPlay playsInline muted aria-label="What the camera shows" />
      <div className="row">
        <Button kind="primary" onClick={take} disabled={!running}>
          Take the picture
        </Button>
        <Button onClick={onClose}>Close the camera</Button>
      </div>
    </div>
  );
}

function stop(stream: MediaStream | undefined): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

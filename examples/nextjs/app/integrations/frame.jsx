"use client";
import { useEffect, useRef, useState } from "react";

/** Santral's pages, as high as they say they are; when their session is over, they begin anew. */
export default function Frame({ origin }) {
  const frame = useRef(null);
  const [height, setHeight] = useState(600);
  const [visit, setVisit] = useState(0);
  const began = useRef(0);

  useEffect(() => {
    began.current = Date.now();
  }, [visit]);

  useEffect(() => {
    const hear = (event) => {
      // Only that frame is listened to, and only while it shows Santral.
      if (event.source !== frame.current?.contentWindow || event.origin !== origin) return;
      if (event.data?.santral === "height") setHeight(Math.min(event.data.height, 20000));
      // A session that is over at once would be over again: a browser that keeps no cookies for frames.
      if (event.data?.santral === "session-expired" && Date.now() - began.current > 60_000) setVisit((visit) => visit + 1);
    };
    window.addEventListener("message", hear);
    return () => window.removeEventListener("message", hear);
  }, [origin]);

  return (
    <iframe
      key={visit}
      ref={frame}
      title="Entegrasyon Merkezi"
      src="/api/santral/session"
      style={{ width: "100%", height, border: 0, display: "block" }}
    />
  );
}

/** The repeat sign: play it again. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 20 24" aria-hidden="true" fill="currentColor">
      <circle cx="3" cy="8" r="2.4" />
      <circle cx="3" cy="16" r="2.4" />
      <rect x="8.5" y="1" width="2" height="22" />
      <rect x="13.5" y="1" width="5" height="22" />
    </svg>
  );
}

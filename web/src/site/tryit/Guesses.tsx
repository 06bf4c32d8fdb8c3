import { Text } from "../ui/Text.tsx";
import { topGuesses } from "./outputs.ts";

interface Props {
  readonly outputs: Float32Array | undefined;
  readonly classes: readonly string[];
  readonly probabilities: boolean;
}

const shown = 5;

/** What the model says, likeliest first. */
export function Guesses({ outputs, classes, probabilities }: Props) {
  if (outputs === undefined) return <p className="soft">The model's answer will stand here.</p>;
  const guesses = topGuesses(outputs, shown);
  const name = (index: number) => classes[index] ?? (probabilities ? `class ${index}` : `output ${index + 1}`);
  const [best] = guesses;
  return (
    <div className="guesses">
      <p className="guess-best" role="status" data-guess={best && name(best.index)}>
        {best && <Text max={60}>{name(best.index)}</Text>}
        {best && <span className="hidden-text">, {amount(best.value, probabilities)}</span>}
      </p>
      <ol>
        {guesses.map(({ index, value }) => (
          <li key={index}>
            <span className="guess-name">
              <Text max={40}>{name(index)}</Text>
            </span>
            {probabilities && (
              <span className="guess-bar" aria-hidden="true">
                <span style={{ inlineSize: `${100 * Math.min(1, Math.max(0, value || 0))}%` }} />
              </span>
            )}
            <span className="guess-value number">{amount(value, probabilities)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}

function amount(value: number, probabilities: boolean): string {
  if (!Number.isFinite(value)) return "no number";
  return probabilities ? `${(100 * value).toFixed(1)} %` : value.toPrecision(5);
}

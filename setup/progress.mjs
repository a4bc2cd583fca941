const NAME_WIDTH = 18;

/**
 * @typedef {object} Outcome
 * @property {boolean} changed false where there was nothing to do
 * @property {string} [detail] what the line says beside "done" or "up to date"
 */

/**
 * Prints one line a step, that grows while the step runs: its name, the phases it reports, how it ended and after how long.
 * @param {{ quiet?: boolean, stream?: Pick<NodeJS.WriteStream, 'write' | 'isTTY'> }} [options] `quiet` leaves out steps that had nothing to do
 */
export function createProgress({ quiet = false, stream = process.stdout } = {}) {
  const colour = (code, text) => (stream.isTTY && !process.env.NO_COLOR ? `\u001b[${code}m${text}\u001b[0m` : text);
  return {
    /** @param {string} text */
    note(text) {
      stream.write(`${text}\n`);
    },

    /**
     * @param {string} name
     * @param {(report: (phase: string) => void) => Outcome | Promise<Outcome>} run
     * @returns {Promise<Outcome>}
     */
    async step(name, run) {
      const start = performance.now();
      const label = name.padEnd(NAME_WIDTH);
      let reported = false;
      const report = (phase) => {
        stream.write(reported ? `, ${phase}` : `${label} ${phase}`);
        reported = true;
      };
      const finish = (text) => {
        const elapsed = colour(2, `(${formatDuration(performance.now() - start)})`);
        stream.write(`${reported ? ', ' : `${label} `}${text} ${elapsed}\n`);
      };
      try {
        const outcome = await run(report);
        const detail = outcome.detail ? `: ${outcome.detail}` : '';
        if (outcome.changed) finish(`${colour(32, 'done')}${detail}`);
        else if (reported || !quiet) finish(`${colour(2, 'up to date')}${detail}`);
        return outcome;
      } catch (error) {
        finish(colour(31, 'failed'));
        throw error;
      }
    },
  };
}

/**
 * @param {number} milliseconds
 * @returns {string} with a unit and two or three digits: `8 ms`, `2.4 s`, `3 min 5 s`
 */
export function formatDuration(milliseconds) {
  if (Math.round(milliseconds) < 1000) return `${Math.round(milliseconds)} ms`;
  const tenths = Math.round(milliseconds / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

// A job of the server, watched until it is over.

import { ask } from "./control.js";

const PAUSE = 400;
const OVER = ["done", "failed", "cancelled"];

// Gives the job's last record. `told` gets each record; a server that is away for a moment is asked again.
export async function watch(url, told) {
  for (let misses = 0; ;) {
    try {
      const job = await ask("GET", url);
      misses = 0;
      told(job);
      if (OVER.includes(job.state)) return job;
    } catch (error) {
      if (error.status && error.status < 500 || ++misses > 30) throw error;
    }
    await new Promise((done) => setTimeout(done, PAUSE));
  }
}

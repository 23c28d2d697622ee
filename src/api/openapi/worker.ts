// A thread that makes the document, hands it over and ends. `description.ts` starts it.

import { parentPort, workerData } from 'node:worker_threads';

import { renderDocument } from './rendered.ts';

parentPort?.postMessage(renderDocument(String(workerData)));

// What each client has: where the server is, who it is, and a map to keep true, of which it tells on its output.
import Ws from "ws";
import { WAITS } from "./readme.mjs";

export const url = process.env.URL;
const tokens = process.env.TOKENS.split(",");
export const getToken = async () => (tokens.length > 1 ? tokens.shift() : tokens[0]);
export const enrollments = new Map();
export const waits = process.env.WAITS ? JSON.parse(process.env.WAITS) : WAITS;
export const CHANGES = `subscription Changes($after: String) {
  enrollmentChanges(after: $after) {
    cursor reset { reason } changes { kind enrollmentId version enrollment { id version isActive status } } } }`;

export class WebSocket extends Ws {
  constructor(url, protocols) {
    super(url, protocols);
    this.on("error", () => {}); // of one that is given up before it has connected
  }
}

export function tell() {
  console.log(JSON.stringify([...enrollments.values()].map(({ id, isActive }) => [id, isActive]).sort()));
}

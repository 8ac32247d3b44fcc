// What each client has: where the server is, who it is, and a map to keep true, of which it tells on its output.
export const url = process.env.URL;
const tokens = process.env.TOKENS.split(",");
export const getToken = async () => (tokens.length > 1 ? tokens.shift() : tokens[0]);
export const enrollments = new Map();
export const CHANGES = `subscription Changes($after: String) {
  enrollmentChanges(after: $after) {
    cursor reset { reason } changes { kind enrollmentId version enrollment { id version isActive status } } } }`;

export function tell() {
  console.log(JSON.stringify([...enrollments.values()].map(({ id, isActive }) => [id, isActive]).sort()));
}

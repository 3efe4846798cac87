// Signs in with a provider of identities that is certified to be one, as somebody with a browser does.
//
//   node oidc.mjs URL API PORT SECRET
//
// URL is where browsers find Panofleet: this program listens there and passes on what comes to API. The provider listens at PORT of
// this machine; SECRET is its client's. Whoever signs in there is in the group that is their name. Prints what was seen at each step, as JSON; exits with 1 and what went wrong if a step does not come about.
import net from "node:net";
import { Provider } from "oidc-provider";
import { launch } from "./browser.mjs";

// The provider's advice about its settings is not what was seen.
console.info = () => {};

const [url, api, port, secret] = process.argv.slice(2);
// Another site than 127.0.0.1, whatever the ports: what one leads to, the other has not asked for.
const issuer = `http://localhost:${port}`;
const provider = new Provider(issuer, {
  clients: [{
    client_id: "panofleet",
    client_secret: secret,
    redirect_uris: [`${url}/sign-in/oidc/back`],
    post_logout_redirect_uris: [`${url}/sign-in`],
  }],
  claims: { openid: ["sub", "groups"], email: ["email", "email_verified"], profile: ["name"] },
  // As it is unless somebody changes it: tokens say who it is, and the rest is asked for.
  conformIdTokenClaims: true,
  pkce: { required: () => true },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.com`, email_verified: true, groups: [id] }),
  }),
});
const server = provider.listen(+port);
const front = net.createServer((from) => {
  const to = net.connect(new URL(api).port, "127.0.0.1");
  for (const socket of [from, to]) socket.on("error", () => from.destroy() && to.destroy());
  from.pipe(to).pipe(from);
});
front.listen(new URL(url).port, "127.0.0.1");
const browser = await launch();
const seen = { errors: [] };

/** The pages of somebody who has never been here. */
async function stranger() {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on("pageerror", (error) => seen.errors.push(error.message));
  page.on("console", (line) => {
    if (/Content Security Policy|Refused to/.test(line.text())) seen.errors.push(line.text());
  });
  return page;
}

/** Goes to a page, and from there to the provider and through its forms. */
async function signIn(page, name, path) {
  await page.goto(url + path);
  await page.getByRole("link", { name: "Sign in with Example" }).click();
  await page.waitForURL(`${issuer}/**`);
  await page.locator("input[name=login]").fill(name);
  await page.locator("input[name=password]").fill("any");
  await page.getByRole("button", { name: "Sign-in" }).click();
  await page.getByRole("button", { name: "Continue" }).click();
  await page.waitForURL(`${url}/**`);
}

try {
  const page = await stranger();
  await signIn(page, "acme", "/failures?within=1h");
  await page.waitForURL("**/failures?within=1h");
  seen.who = await page.locator(".who").textContent();
  const cookies = await page.context().cookies(url);
  const own = cookies.filter(({ name }) => name.startsWith("panofleet"));
  seen.cookies = own.map(({ name, httpOnly, sameSite }) => ({ name, httpOnly, sameSite }));
  seen.scripts = await page.evaluate(() => document.cookie);
  seen.whoami = await page.evaluate(() => fetch("/v1/whoami").then((answer) => answer.json()));

  await page.goto(`${url}/sign-out`);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(`${issuer}/**`);
  await page.getByRole("button", { name: "Yes, sign me out" }).click();
  await page.waitForURL(`${url}/sign-in`);
  await page.goto(`${url}/`);
  seen.after = new URL(page.url()).pathname;
  await page.getByRole("link", { name: "Sign in with Example" }).click();
  await page.waitForURL(`${issuer}/**`);
  seen.asks_again = await page.locator("input[name=password]").count();

  const other = await stranger();
  await signIn(other, "nobody", "/");
  seen.refused = await other.locator("main").textContent();

  const denied = await stranger();
  await denied.goto(`${url}/`);
  await denied.getByRole("link", { name: "Sign in with Example" }).click();
  await denied.waitForURL(`${issuer}/**`);
  await denied.getByRole("link", { name: "Cancel" }).click();
  await denied.waitForURL(`${url}/**`);
  seen.denied = await denied.locator("main").textContent();
} catch (error) {
  seen.errors.push(String(error));
}
console.log(JSON.stringify(seen));
await browser.close();
process.exit(seen.errors.length > 0 ? 1 : 0);

// The configuration of one member, which every member answers for itself and, with `?member=`, redirects for others.

import { Hono, type Context, type MiddlewareHandler } from 'hono';

import { printTime } from '../../base/wall-time.ts';
import { answer, refuse } from '../answers.ts';
import { readBody, readNoBody } from '../body.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError, badRequest, STATUS_BY_CODE } from '../errors.ts';
import { sendTo } from '../middleware/redirect.ts';
import type {
  ConfigurationProblem,
  ConfigurationView,
  GroupView,
  LogLevelView,
  SettingChange,
} from '../ports.ts';
import { rawTarget } from '../request-target.ts';
import { logLevelBody } from '../schemas/group-bodies.ts';

export function configurationRoutes(
  { group, configuration }: Pick<ApiDependencies, 'group' | 'configuration'>,
  bodies: MiddlewareHandler,
): Hono {
  const here = atMember(group);
  return new Hono()
    .get('/controller/config', here, (context) =>
      answer(context, { member: group.current().self, ...renderConfiguration(configuration.view()) }),
    )
    .post('/controller/reload', here, bodies, async (context) => {
      await readNoBody(context);
      const reloaded = await configuration.reload('api');
      if (!reloaded.ok) return refuseProblems(context, reloaded.error);
      const { applied, needsRestart } = reloaded.value;
      return answer(context, {
        member: group.current().self,
        applied: applied.map(renderChange),
        needs_restart: needsRestart.map(renderChange),
      });
    })
    .put('/controller/log-level', here, bodies, async (context) => {
      const { level, seconds } = await readBody(context, logLevelBody);
      const set = configuration.setLogLevel(level, seconds);
      return answer(context, { member: group.current().self, ...renderLogLevel(set) });
    });
}

/** Lets a request through at the member that it is meant for: the one of `?member=`, or whoever was asked. */
function atMember(group: GroupView): MiddlewareHandler {
  return async (context, next) => {
    const wanted = context.req.query('member');
    if (wanted === undefined) return next();
    if (!/^[1-9]\d{0,14}$/.test(wanted))
      throw badRequest("member: expected a member's number, a positive integer");
    const id = Number(wanted);
    if (id === group.current().self) return next();
    const member = group.members().members.find((each) => each.id === id);
    if (member === undefined) throw new ApiError('missing', `the group has no member ${id}`);
    const target = rawTarget(context);
    if (target === null) throw badRequest('the request target must start with "/"');
    return sendTo(context, member.address, target);
  };
}

/** 422: the request is well, what it asks to be read is not. */
function refuseProblems(context: Context, problems: readonly ConfigurationProblem[]): Response {
  const message = `nothing was changed: ${problems.map(({ text }) => text).join('; ')}`;
  return refuse(context, message, STATUS_BY_CODE.unprocessable, { problems: problems.map(renderProblem) });
}

function renderChange({ path, from, to }: SettingChange): object {
  return { path, from, to };
}

function renderProblem({ file, line, column, path, message }: ConfigurationProblem): object {
  return { file, line, column, path, message };
}

function renderConfiguration(view: ConfigurationView): object {
  const { settings, withoutEffect, needsRestart, logLevel, reload } = view;
  return {
    settings: settings.map(({ path, value, source, isLive }) => ({
      path,
      value,
      source,
      reloadable: isLive,
    })),
    without_effect: withoutEffect,
    needs_restart: needsRestart.map(renderChange),
    log_level: renderLogLevel(logLevel),
    last_reload: {
      succeeded: reload.isGood,
      read_at: printTime(reload.readAtSeconds),
      problems: reload.problems.map(renderProblem),
    },
  };
}

function renderLogLevel({ level, untilSeconds, configured }: LogLevelView): object {
  return { level, until: untilSeconds === null ? null : printTime(untilSeconds), configured };
}

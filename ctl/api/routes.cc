#include "ctl/api/routes.h"

#include <array>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "ctl/api/endpoints.h"
#include "ctl/api/error_response.h"
#include "ctl/api/target.h"

namespace fairlead::api {
namespace {

using model::RefusalCode;
using Endpoint = void (*)(const Call&, const Respond&);

struct Route {
    std::string_view method;
    std::string_view pattern;  // "{S}" and "{B}" are names
    Endpoint endpoint;
};

constexpr std::array kRoutes{
    Route{"GET", "api/v1/status", get_status},
    Route{"GET", "api/v1/version", get_version},
    Route{"GET", "api/v1/node", get_node},
    Route{"PATCH", "api/v1/node", patch_node},
    Route{"GET", "api/v1/services", get_services},
    Route{"GET", "api/v1/services/{S}", get_service},
    Route{"GET", "api/v1/backends", get_backends},
    Route{"GET", "api/v1/health", get_health},
    Route{"GET", "api/v1/drops", get_drops},
    Route{"GET", "api/v1/trace", get_trace},
    Route{"GET", "api/v1/services/{S}/backends/{B}", get_backend},
    Route{"POST", "api/v1/services/{S}/backends", add_backend},
    Route{"PATCH", "api/v1/services/{S}/backends/{B}", patch_backend},
    Route{"DELETE", "api/v1/services/{S}/backends/{B}", delete_backend},
    Route{"POST", "api/v1/reload", post_reload},
};

constexpr std::string_view kTcpPage =
    "<!DOCTYPE html>\n<html lang=\"en\"><title>Fairlead</title>\n<h1>Fairlead</h1>\n"
    "<ul>\n<li><a href=\"/metrics\">/metrics</a>: for Prometheus\n"
    "<li><a href=\"/api/v1/status\">/api/v1/status</a>: the daemon's state, as JSON\n</ul>\n"
    "<p>Everything else is on the Unix socket: see <code>lbctl --help</code>.\n</html>\n";

bool matches(std::string_view pattern, std::span<const std::string> segments, Call& call) {
    for (const std::string& segment : segments) {
        const std::size_t slash = pattern.find('/');
        const std::string_view expected = pattern.substr(0, slash);
        if (expected == "{S}") {
            call.service = segment;
        } else if (expected == "{B}") {
            call.backend = segment;
        } else if (expected != segment) {
            return false;
        }
        pattern = slash == std::string_view::npos ? "" : pattern.substr(slash + 1);
        if (slash == std::string_view::npos) {
            return &segment == &segments.back();
        }
    }
    return false;
}

bool is_question(std::string_view method) {
    return method == "GET" || method == "HEAD";
}

Response wrong_method(const std::string& allowed) {
    Response response =
        error_response(RefusalCode::kMethodNotAllowed, "this path takes " + allowed + " only");
    response.allow = allowed;
    return response;
}

void dispatch(daemon::Daemon& daemon,
              Turns& turns,
              const Request& request,
              const Respond& respond) {
    const auto target = parse_target(request.target);
    if (!target) {
        respond(error_response(RefusalCode::kBadRequest,
                               "the path is not a valid one: percent-encode names"));
        return;
    }
    const std::string_view method =
        is_question(request.method) ? std::string_view("GET") : std::string_view(request.method);
    std::string allowed;
    for (const Route& route : kRoutes) {
        Call call{daemon, turns, request, *target, {}, {}};
        if (!matches(route.pattern, target->segments, call)) {
            continue;
        }
        if (route.method != method) {
            allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
            continue;
        }
        if (!is_question(request.method) && !request.caller.may_change) {
            respond(error_response(RefusalCode::kForbidden,
                                   request.caller.name +
                                       " may not change anything: become root, or join the group "
                                       "fairlead (a new member is known within a minute)"));
            return;
        }
        route.endpoint(call, respond);
        return;
    }
    if (!allowed.empty()) {
        respond(wrong_method(allowed));
        return;
    }
    respond(error_response(RefusalCode::kNotFound,
                           "there is nothing at this path; the API is below /api/v1"));
}

}  // namespace

Handler make_handler(daemon::Daemon& daemon, Turns& turns, RenderMetrics render_metrics) {
    return [&daemon,
            &turns,
            render = std::make_shared<const RenderMetrics>(std::move(render_metrics))](
               const Request& request, const Respond& respond) {
        const std::string_view path =
            std::string_view(request.target).substr(0, request.target.find('?'));
        if (path != "/metrics") {
            dispatch(daemon, turns, request, respond);
        } else if (is_question(request.method)) {
            turns.add([render, accept = request.accept, respond] {
                respond((*render)(accept));
                return false;
            });
        } else {
            respond(wrong_method("GET"));
        }
    };
}

Handler make_tcp_handler(std::shared_ptr<const Handler> handler) {
    return [inner = std::move(handler)](const Request& request, const Respond& respond) {
        const std::string_view path =
            std::string_view(request.target).substr(0, request.target.find('?'));
        if (path == "/") {
            Response page;
            page.content_type = "text/html; charset=utf-8";
            page.body = kTcpPage;
            respond(std::move(page));
        } else if (path == "/metrics" || path == "/api/v1/status") {
            (*inner)(request, respond);
        } else {
            respond(error_response(RefusalCode::kNotFound,
                                   "this address serves /, /metrics and /api/v1/status only; the "
                                   "rest of the API is on the Unix socket of lbd"));
        }
    };
}

}  // namespace fairlead::api

#include "ctl/model/service.h"

#include <algorithm>
#include <utility>

#include "conf/schema/validate.h"

namespace fairlead::model {
namespace {

struct Judgement {
    Effective effective;
    std::string why;
    bool lacks_only_link = false;
};

std::string because(const Backend& backend) {
    return backend.health_reason.empty() ? "" : ": " + backend.health_reason;
}

std::string in_brackets(const Backend& backend) {
    return backend.health_reason.empty() ? "" : " (" + backend.health_reason + ")";
}

// What checks took out serves all the same while it is held, or the service fails open: but not
// one that never passed, nor, of the latter, one that nothing can be sent to.
std::optional<Judgement> judge_in_spite_of_checks(const Backend& backend) {
    if (backend.health != Health::kDown && backend.health != Health::kRising) {
        return std::nullopt;
    }
    if (backend.is_held) {
        return Judgement{Effective::kServing,
                         "held: most backends failed at once" + in_brackets(backend)};
    }
    if (backend.is_open && backend.link && !backend.is_link_lost) {
        return Judgement{
            Effective::kServing,
            "fail-open: too few backends are healthy; its own checks fail" + because(backend)};
    }
    return std::nullopt;
}

// Nothing checks it, but where nothing can be sent to it the healthy ones serve alone.
Judgement judge_fallback(const Backend& backend) {
    if (!backend.is_open) {
        return {Effective::kOut,
                "the fallback: it serves while too few backends are healthy, and keeps the flows "
                "that it has"};
    }
    if (!backend.link) {
        return {Effective::kOut, "the fallback: " + backend.link_problem, true};
    }
    return {Effective::kServing,
            "the fallback: too few backends are healthy, and it takes the share of the others"};
}

Judgement judge_health(const Backend& backend) {
    if (auto judgement = judge_in_spite_of_checks(backend)) {
        return std::move(*judgement);
    }
    if (backend.is_fallback) {
        return judge_fallback(backend);
    }
    switch (backend.health) {
        case Health::kUp:
        case Health::kUnchecked:
            return {Effective::kServing, ""};
        case Health::kFalling:
            return {Effective::kServing, "its last check failed" + because(backend)};
        case Health::kRising:
            return {Effective::kOut, "its last check passed, not yet often enough to be up"};
        case Health::kDown:
            return {Effective::kOut, "its checks fail" + because(backend)};
        case Health::kUnknown:
            return {Effective::kOut, "no check has ended yet"};
    }
    return {Effective::kOut, ""};
}

Judgement judgement_of(const Backend& backend) {
    if (backend.is_removing) {
        return backend.admin == Admin::kMaint
                   ? Judgement{Effective::kOut, "removed in maintenance; its flows move to others"}
                   : Judgement{Effective::kDraining, "removed; gone when its last flow is"};
    }
    switch (backend.admin) {
        case Admin::kMaint:
            return {Effective::kOut, "maintenance; its flows move to other backends"};
        case Admin::kDrain:
            return {Effective::kDraining, "drained by an operator"};
        case Admin::kReady:
            break;
    }
    Judgement judgement = judge_health(backend);
    if (judgement.effective == Effective::kServing && backend.weight == 0) {
        return {Effective::kDraining, "its weight is 0"};
    }
    if (judgement.effective == Effective::kServing && backend.is_link_lost) {
        return {Effective::kOut, backend.link_problem, true};
    }
    if (judgement.effective == Effective::kServing && !backend.link) {
        judgement.why = backend.link_problem;
    }
    return judgement;
}

}  // namespace

std::string why_not_a_backend(const conf::ServiceConfig& service, const IpAddress& address) {
    const std::string text = address.text().data();
    if (const std::string_view reason = conf::why_not_a_host(address); !reason.empty()) {
        return text + " is " + std::string(reason) + ": it cannot be a backend's address";
    }
    if (address == service.vip) {
        return text + " is the VIP itself: give the server's own address";
    }
    if (service.forwarding == conf::Forwarding::kL2 && address.is_v4() != service.vip.is_v4()) {
        return text + " is not of the VIP's family (" + service.vip.text().data() +
               "), and l2 sends packets on as they came; a tunnel can change the family";
    }
    return "";
}

std::string why_a_vip(const std::vector<conf::ServiceConfig>& services, const IpAddress& address) {
    const auto owner = std::find_if(
        services.begin(), services.end(), [&address](const conf::ServiceConfig& service) {
            return service.vip == address;
        });
    return owner == services.end()
               ? ""
               : std::string(address.text().data()) + " is the VIP of service " + owner->name +
                     ": its packets would come back here; give the server's own "
                     "address";
}

bool Service::is_up() const {
    return std::any_of(backends.begin(), backends.end(), [](const Backend& backend) {
        return backend.effective == Effective::kServing;
    });
}

void judge(Backend& backend, Time now) {
    Judgement judgement = judgement_of(backend);
    const bool is_first = backend.since == Time{};
    if (is_first || judgement.effective != backend.effective) {
        backend.since = now;
        backend.transitions += is_first ? 0U : 1U;
        backend.is_noted = false;
    }
    backend.effective = judgement.effective;
    backend.lacks_only_link = judgement.lacks_only_link;
    backend.why = std::move(judgement.why);
    if (backend.effective != Effective::kDraining) {
        backend.drain_start.reset();
    } else if (!backend.drain_start) {
        backend.drain_start = now;
    }
}

const Service* find_service(const std::vector<Service>& services, std::string_view name) {
    for (const Service& service : services) {
        if (service.config.name == name) {
            return &service;
        }
    }
    return nullptr;
}

const Backend* find_backend(const Service& service, std::string_view name) {
    const Backend* leaving = nullptr;
    for (const Backend& backend : service.backends) {
        if (backend.name != name) {
            continue;
        }
        if (!backend.is_removing) {
            return &backend;
        }
        leaving = &backend;
    }
    return leaving;
}

Backend* find_backend(std::vector<Service>& services,
                      std::string_view service,
                      std::string_view name,
                      const IpAddress& address) {
    for (Service& candidate : services) {
        if (candidate.config.name != service) {
            continue;
        }
        for (Backend& backend : candidate.backends) {
            if (backend.name == name && backend.address == address) {
                return &backend;
            }
        }
    }
    return nullptr;
}

}  // namespace fairlead::model

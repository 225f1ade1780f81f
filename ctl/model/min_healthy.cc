#include "ctl/model/min_healthy.h"

#include <algorithm>

namespace fairlead::model {
namespace {

// Whether the service is below, as of now, given whether it was.
bool is_below(Service& service, const HealthCount& count, Time now) {
    if (count.least == 0 || service.is_removing) {
        return false;
    }
    if (!service.is_below_min_healthy) {
        return count.healthy + count.undecided < count.least;
    }
    if (count.healthy < count.least) {
        service.enough_since.reset();
        return true;
    }
    // A clock that was set back must not hold it up.
    if (!service.enough_since || *service.enough_since > now) {
        service.enough_since = now;
    }
    return now - *service.enough_since < kEnoughFor;
}

// Of those that should serve and are not healthy.
std::uint32_t lacking_weight(const Service& service) {
    std::uint32_t weight = 0;
    for (const Backend& backend : service.backends) {
        weight += backend.is_counted() && !backend.is_healthy() ? backend.weight : 0;
    }
    return weight;
}

// Those that would stay healthy and ready, and how many must.
HealthCount after_change(const Service& service) {
    HealthCount count = health_count(service);
    count.total = static_cast<std::size_t>(
        std::count_if(service.backends.begin(), service.backends.end(), [](const Backend& backend) {
            return backend.weight > 0 && !backend.is_removing && !backend.is_fallback;
        }));
    count.least = service.config.min_healthy.least_of(count.total);
    return count;
}

}  // namespace

HealthCount health_count(const Service& service) {
    HealthCount count;
    for (const Backend& backend : service.backends) {
        if (backend.is_counted()) {
            const bool has_no_verdict =
                backend.health == Health::kUnknown || backend.health == Health::kRising;
            ++count.total;
            count.healthy += backend.is_healthy() ? 1U : 0U;
            count.undecided += has_no_verdict && !backend.is_healthy() ? 1U : 0U;
        }
    }
    count.least = service.config.min_healthy.least_of(count.total);
    return count;
}

bool follow_min_healthy(Service& service, Time now) {
    if (!service.config.min_healthy.is_set() && !service.is_below_min_healthy) {
        return false;
    }
    const bool was_below = service.is_below_min_healthy;
    service.is_below_min_healthy = is_below(service, health_count(service), now);
    if (!service.is_below_min_healthy) {
        service.enough_since.reset();
    }
    bool is_changed = was_below != service.is_below_min_healthy;
    for (Backend& backend : service.backends) {
        const bool opens = backend.is_fallback ? service.falls_back() : service.fails_open();
        const std::uint32_t weight =
            backend.is_fallback ? std::max(lacking_weight(service), 1U) : backend.weight;
        if (backend.is_open != opens || backend.weight != weight) {
            backend.is_open = opens;
            backend.weight = weight;
            backend.configured_weight = backend.is_fallback ? weight : backend.configured_weight;
            judge(backend, now);
            is_changed = true;
        }
    }
    return is_changed;
}

std::string why_too_few(const Service& was, const Service& is) {
    const HealthCount after = after_change(is);
    const std::size_t before = health_count(was).healthy;
    if (!is.config.min_healthy.is_set() || after.healthy >= before ||
        after.healthy >= after.least) {
        return "";
    }
    return is.config.name + " would have " + std::to_string(after.healthy) + " of its " +
           std::to_string(after.total) +
           " backends ready and healthy, and min_healthy = " + to_text(is.config.min_healthy) +
           " asks for " + std::to_string(after.least);
}

std::string to_text(const conf::MinHealthy& least) {
    return least.percent == 0 ? std::to_string(least.count) : std::to_string(least.percent) + "%";
}

}  // namespace fairlead::model

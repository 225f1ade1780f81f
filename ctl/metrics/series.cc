#include "ctl/metrics/series.h"

#include "ctl/metrics/text.h"

namespace fairlead::metrics {

const std::vector<ServiceSeries>& SeriesCache::of(const model::Model& model) {
    if (shape_ == model.shape()) {
        return series_;
    }
    shape_ = model.shape();
    series_.clear();
    for (const model::Service& service : model.services()) {
        ServiceSeries& entry = series_.emplace_back();
        entry.labels = "{" + label("service", service.config.name);
        for (std::size_t i = 0; i < service.backends.size(); ++i) {
            const model::Backend& backend = service.backends[i];
            if (backend.is_removing && model::find_backend(service, backend.name) != &backend) {
                continue;
            }
            entry.backends.push_back({i, entry.labels + "," + label("backend", backend.name)});
        }
    }
    return series_;
}

}  // namespace fairlead::metrics

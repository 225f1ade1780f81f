#include "ctl/neighbor/tunnel_source.h"

namespace fairlead::neighbor {

void TunnelSource::add(const SourceVote& vote) {
    Count& count = votes_[vote.source];
    ++(vote.is_set ? count.set : count.free);
    free_votes_ += vote.is_set ? 0U : 1U;
}

void TunnelSource::remove(const SourceVote& vote) {
    const auto found = votes_.find(vote.source);
    if (found == votes_.end()) {
        return;
    }
    --(vote.is_set ? found->second.set : found->second.free);
    free_votes_ -= vote.is_set ? 0U : 1U;
    if (found->second.set == 0 && found->second.free == 0) {
        votes_.erase(found);
    }
}

void TunnelSource::keep(const IpAddress& chosen) {
    chosen_ = chosen;
    is_voted_ = true;
}

// Backends that would take the present one: where the route names none, it is as good as another.
std::size_t TunnelSource::for_present() const {
    const auto found = votes_.find(chosen_);
    return free_votes_ + (found == votes_.end() ? 0 : found->second.set);
}

IpAddress TunnelSource::choose(const IpAddress& otherwise,
                               const std::function<bool(const IpAddress&)>& is_ours) {
    const bool has_present = chosen_ != IpAddress{} && is_ours(chosen_);
    if (has_present && (is_voted_ || votes_.empty())) {
        const std::optional<Other> best = other();
        if (best && best->backends > for_present() && is_ours(best->source)) {
            chosen_ = best->source;
        }
        return chosen_;
    }
    chosen_ = otherwise;
    is_voted_ = false;
    std::size_t most = 0;
    for (const auto& [source, count] : votes_) {
        if (count.set + count.free > most && is_ours(source)) {
            most = count.set + count.free;
            chosen_ = source;
            is_voted_ = true;
        }
    }
    return chosen_;
}

std::optional<TunnelSource::Other> TunnelSource::other() const {
    std::optional<Other> best;
    for (const auto& [source, count] : votes_) {
        if (source != chosen_ && count.set > (best ? best->backends : 0)) {
            best = Other{source, count.set};
        }
    }
    return best;
}

}  // namespace fairlead::neighbor

// The last tenth of a log held out, and what a model finds in it.
#pragma once

#include <cstdio>
#include <set>

#include "data.hpp"

/// Of every user: items of the first nine tenths, and new ones, strongly liked, of the last.
struct Split {
  Log train;
  std::vector<std::set<relweave::NodeId>> seen, wanted;
};

inline Split split_by_time(Data const& data) {
  Log const& log = data.log;
  std::vector<std::int64_t> times = log.time;
  auto const last_tenth = times.begin() + std::ssize(times) * 9 / 10;
  std::nth_element(times.begin(), last_tenth, times.end());

  Split split;
  split.seen.resize(static_cast<std::size_t>(data.users.size()));
  split.wanted.resize(split.seen.size());
  for (std::size_t e = 0; e < log.time.size(); ++e) {
    if (log.time[e] < *last_tenth) {
      split.train.user.push_back(log.user[e]);
      split.train.item.push_back(log.item[e]);
      split.train.time.push_back(log.time[e]);
      split.train.strong.push_back(log.strong[e]);
      split.seen[static_cast<std::size_t>(log.user[e])].insert(log.item[e]);
    }
  }
  for (std::size_t e = 0; e < log.time.size(); ++e) {
    auto const user = static_cast<std::size_t>(log.user[e]);
    if (log.time[e] >= *last_tenth && log.strong[e] != 0 &&
        !split.seen[user].contains(log.item[e])) {
      split.wanted[user].insert(log.item[e]);
    }
  }
  return split;
}

/// Lists of lists as the library takes them: offsets into one array.
struct Lists {
  std::vector<std::int64_t> offsets{0};
  std::vector<relweave::NodeId> items;

  void add(std::set<relweave::NodeId> const& list) {
    items.insert(items.end(), list.begin(), list.end());
    offsets.push_back(std::ssize(items));
  }
  relweave::metrics::ItemLists view() const {
    return {.offsets = {offsets.data(), std::ssize(offsets)},
            .items = {items.data(), std::ssize(items)}};
  }
};

inline void print_evaluation(relweave::HostContext const& ctx,
                             relweave::model::Recommender const& model, Split const& split) {
  namespace metrics = relweave::metrics;
  std::vector<relweave::NodeId> users;  // those with something to find
  Lists seen, wanted;
  for (std::size_t u = 0; u < split.wanted.size(); ++u) {
    if (!split.wanted[u].empty()) {
      users.push_back(static_cast<relweave::NodeId>(u));
      seen.add(split.seen[u]);
      wanted.add(split.wanted[u]);
    }
  }
  std::int64_t const k = 10, block = 256, n = std::ssize(users);
  relweave::Matrix<float> scores(block, model.items().size());  // a block of users at a time
  auto ranks = relweave::Buffer<std::int64_t>::zeros(std::ssize(wanted.items));
  auto listed = relweave::Buffer<std::uint8_t>::zeros(model.items().size());
  for (std::int64_t begin = 0; begin < n; begin += block) {
    std::int64_t const count = std::min(block, n - begin);
    auto const part = scores.view().row_slice(0, count);
    model.score_users(ctx, {users.data() + begin, count}, part);
    metrics::exclude(seen.view().slice(begin, count), part);
    metrics::ranks(ctx, part, wanted.view().slice(begin, count), {}, ranks.view());
    metrics::mark_listed(ctx, part, k, listed.view());
  }
  auto const per_user = metrics::ranking_metrics(wanted.view().offsets, ranks.view(), k);
  auto const mean = metrics::mean_over(per_user);
  std::printf("%lld users  HR@10 %.4f  recall@10 %.4f  NDCG@10 %.4f  MRR %.4f  coverage %.4f\n",
              static_cast<long long>(mean.users), mean.hr, mean.recall, mean.ndcg, mean.mrr,
              metrics::coverage(listed.view()));
}
